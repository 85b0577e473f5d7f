-- Takes units for orders of one sale, in the order given, each order once, or says why not. No id may be given twice: the
-- caller compares the ids, which costs less than to do it here.
-- Several orders share one call: what is read or written per sale is read or written once.
-- crates/gate/src/scripts.rs makes two scripts of this text, because a larger one costs each call more: `reserve`, with
-- find_entry.lua before it, and `reserve_limited`, with limit_rate.lua and limit_unpaid.lua, too. A sale with the field `limits`
-- needs the second, which does for any sale; the first one takes nothing of it.
--
-- Safe to run twice: the second run finds the orders known. All checks come before the writes, and the first write is the
-- only one that can fail (XADD, when Redis is out of memory), so a failed call has changed nothing.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 opening time of the sale as the caller knows it, Unix ms: the caller knows the time in the order ids with it
--       2 high-water mark: epoch     \ the highest number that the caller has seen, or the ledger has:
--       3 high-water mark: sequence  / if Redis has a lower one, it has lost acknowledged writes
--       4 limit of outbox entries
--       5 1: the orders taken share one entry, if they are several; 0: each has its own
--       6 units of all orders together
--       then the ids of at most 64 orders, and the request of each: its quantity, a space, and its user
-- Returns a text if units were taken for every order: 'epoch-seq now_ms', the number of the first order and Redis's
-- clock. The others have the numbers that follow. The caller can build the records itself, from its own orders.
-- Otherwise {epoch, now_ms, answers}: the sale's epoch (nil without a sale), Redis's clock (nil if it was not read), and
-- one answer per order:
--   seq                    units were taken, under this number
--   {'known', record, n}   the order exists; n = 1 while it waits in the outbox
--   {'unknown'}            Redis has no such sale
--   {'moved'}              the caller knows old terms: the sale opens at another time than ARGV[1], or needs `reserve_limited`
--   {'behind'}             Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}               a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'not_open', ms}       opens in that many ms; 0: as soon as its opening is on Kafka
--   {'closed'}
--   {'user_limit'}         the user would hold more units than the limit
--   {'unpaid_limit'}       the user has as many unpaid orders as the sale allows
--   {'sold_out'}           no unit is left, or a refusal lease has not expired (grant_refusal_lease.lua)
--   {'insufficient'}       units are left, but fewer than the quantity
--   {'outbox_full'}
--   {'user_rate_limited', ms}  the user has placed as many orders as a window allows; it ends in that many ms
--   {'rate_limited', ms}       the sale has taken as many orders as its rate allows; the next one in that many ms
-- If the sale limits the rate of its orders, the reply is of the second form with a fourth element, unless Redis's clock was not
-- read: what is left after this call, as one list of orders per second, orders left, ms until all are left, orders per user and
-- window, seconds of a window and, if the users were read, for each order of the call the orders left to its user and the ms
-- left of the window.
assert(#KEYS == 4 and #ARGV >= 8 and #ARGV <= 6 + 2 * 64 and #ARGV % 2 == 0,
  'reserve.lua takes 4 keys, 6 arguments, and 2 per order, for at most 64 orders')
-- A call costs Redis more than its commands do: arguments, conversions and replies. So blocks of arguments go into
-- commands as they are, `text + 0` makes a number for half the price of tonumber, the usual reply is one text, and orders are
-- looked at one by one only if not all of them can have what they want.
local call = redis.call
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local opened_at, mark_epoch, mark_seq, is_shared = ARGV[1], ARGV[2], ARGV[3], ARGV[5] == '1'
local count = (#ARGV - 6) / 2
local last_id = 6 + count

-- By position, after the placeholder of the orders hash: the record, or false. Without the placeholder, the hash is lost.
local records = call('HMGET', orders, '', unpack(ARGV, 7, last_id))
local facts = call('HMGET', sale, 'state', 'epoch', 'seq', 'remaining', 'opens_at', 'closes_at', 'user_limit', 'sold_out_until', 'limits')
local state, epoch, closes_at, limits = facts[1], facts[2], facts[6], facts[9]

-- Why the sale takes no new order at all, or nil. The others are known only if the sale may take orders.
local refused, seq, remaining, user_limit, time, now_ms
if not state then
  refused = { 'unknown' }
elseif state == 'rebuilding' then
  refused = { 'behind' }
elseif facts[5] ~= opened_at or (limits and not rate_limits) then
  refused = { 'moved' }
else
  seq, remaining = facts[3] + 0, facts[4] + 0
  if epoch + 0 < mark_epoch + 0 or (epoch == mark_epoch and seq < mark_seq + 0) then
    refused = { 'behind' }
  elseif not records[1] then
    refused = { 'lost' }
  else
    time = call('TIME')
    -- Seconds, and the first three of six digits of microseconds.
    now_ms = time[1] .. string.sub('00000' .. time[2], -6, -4)
    local now = now_ms + 0
    local lease_ms = facts[8] and facts[8] - now
    -- The longest lease (grant_refusal_lease.lua). If one ends later, the clock was set back.
    local LEASE_MS_MAX = 2000
    if state == 'closed' or (closes_at ~= '' and now >= closes_at + 0) then
      refused = { 'closed' }
    elseif opened_at - now > 0 then
      refused = { 'not_open', opened_at - now }
    elseif state == 'opening' then
      refused = { 'not_open', 0 }
    elseif lease_ms and lease_ms > 0 and lease_ms <= LEASE_MS_MAX then
      -- Units have returned while instances still refuse from memory.
      refused = { 'sold_out' }
    end
    user_limit = facts[7] ~= '' and facts[7] + 0
  end
end

local waiting = call('XLEN', outbox)
-- Entries that the outbox has room for.
local room = ARGV[4] - waiting
-- Redis and Lua themselves would print integers as floating point, slowly.
local format = string.format

-- The orders that get units: their ids begin in the list at `id_at`, their requests at `request_at`.
local list, id_at, request_at, taken, units = ARGV, 7, last_id + 1, count, ARGV[6] + 0
-- One per order, and what is left of the limits of the rate, if orders are looked at one by one.
local answers, quotas
-- The limits of a sale that has some; only if it may take orders.
local rate, unpaid
if limits and time then
  rate, unpaid = rate_limits(limits, time), unpaid_limit(sale)
end
-- Of the users hash: the fields that change, each with its value, and what was read.
local user_fields, found

local is_usual = not refused and not rate and units <= remaining and room >= (is_shared and 1 or count)
for n = 2, count + 1 do
  is_usual = is_usual and not records[n]
end
if is_usual and (user_limit or unpaid) then
  -- Still usual, if all users are different and have what they want within their limits.
  local wanted, counted = { '', unpack(ARGV, 7) }, { unpack(ARGV, 7) }
  for n = 1, count do
    local quantity, user = string.match(ARGV[last_id + n], '^(%d+) (.*)')
    wanted[1 + n], counted[2 * n - 1], counted[2 * n] = user, user, quantity
    if unpaid then
      wanted[1 + count + n] = '\1' .. user
    end
  end
  found = call('HMGET', users, unpack(wanted, 1, 1 + (unpaid and 2 or 1) * count))
  local most, is_counted = user_limit or math.huge, {}
  is_usual, user_fields = found[1], user_limit and counted
  for n = 1, count do
    local user, units_of_user = wanted[1 + n], (found[1 + n] or 0) + counted[2 * n]
    local orders = unpaid and found[1 + count + n]
    if is_counted[user] or units_of_user > most or (orders and orders + 0 >= unpaid) then
      is_usual = false
      break
    end
    is_counted[user], counted[2 * n] = true, format('%d', units_of_user)
  end
end
if not is_usual then
  answers, taken, units = {}, 0, 0
  local has_windows = rate and rate.limits_users
  -- If the requests were read: their quantities and users. If the users were read, by user: the units, nil if their hash is
  -- missing, and whether as many orders are unpaid as the sale allows. The fields that change.
  local quantities, names, held, has_reached, changed = nil, {}, nil, {}, {}

  -- Not needed for orders that are known.
  local function read_requests()
    quantities = {}
    for n = 1, count do
      local quantity, user = string.match(ARGV[last_id + n], '^(%d+) (.*)')
      quantities[n], names[n] = quantity + 0, user
    end
  end

  local function read_users()
    held = {}
    local windows_at = 1 + count
    local unpaid_at = has_windows and windows_at + count or windows_at
    local fields = { '', unpack(names) }
    for n = 1, has_windows and count or 0 do
      fields[windows_at + n] = '\2' .. names[n]
    end
    for n = 1, unpaid and count or 0 do
      fields[unpaid_at + n] = '\1' .. names[n]
    end
    found = found or call('HMGET', users, unpack(fields))
    if not found[1] then
      return
    end
    for n = 1, count do
      local user, orders = names[n], unpaid and found[unpaid_at + n]
      held[user] = (found[1 + n] or 0) + 0
      if orders and orders + 0 >= unpaid then
        has_reached[user] = true
      end
    end
    if has_windows then
      rate.read_windows(names, found, windows_at)
    end
  end

  -- Returns why there are no units for this order, or its number.
  local function take(n)
    if not quantities then
      read_requests()
    end
    local quantity, user = quantities[n], names[n]
    if units == remaining then
      return { 'sold_out' }
    end
    if user_limit or unpaid or has_windows then
      if not held then
        read_users()
      end
      if not held[user] then
        return { 'lost' }
      end
      if user_limit and held[user] + quantity > user_limit then
        return { 'user_limit' }
      end
      if has_reached[user] then
        return { 'unpaid_limit' }
      end
    end
    if units + quantity > remaining then
      return { 'insufficient' }
    end
    if room <= (is_shared and 0 or taken) then
      return { 'outbox_full' }
    end
    local limit = rate and rate.refuse(user, taken)
    if limit then
      return limit
    end
    if user_limit then
      held[user] = held[user] + quantity
      changed[user] = true
    end
    if has_windows then
      local field, value = rate.count(user)
      changed[field] = value
    end
    taken, units = taken + 1, units + quantity
    return seq + taken
  end

  if has_windows then
    -- Each answer tells what is left to its user.
    read_requests()
    read_users()
  end
  for n = 1, count do
    local record = records[n + 1]
    if record then
      -- A damaged record has no number: the caller reports that for this order alone.
      local number = waiting > 0 and string.match(record, '^%d+%-%d+')
      answers[n] = { 'known', record, number and is_waiting(sale, outbox, number) and 1 or 0 }
    else
      answers[n] = refused or take(n)
    end
  end
  quotas = rate and rate.left(taken, names)
  if taken == 0 then
    return { epoch, now_ms or false, answers, quotas }
  end
  local at = 1
  user_fields = {}
  for field, value in pairs(changed) do
    user_fields[at], user_fields[at + 1] = field, value == true and format('%d', held[field]) or value
    at = at + 2
  end
  if taken < count then
    list, id_at, request_at = {}, 1, taken + 1
    for n = 1, count do
      if type(answers[n]) == 'number' then
        local place = answers[n] - seq
        list[place], list[taken + place] = ARGV[6 + n], ARGV[last_id + n]
      end
    end
  end
end

local number_prefix, record_middle = epoch .. '-', ' ' .. now_ms .. ' '
local first = number_prefix .. format('%d', seq + 1)
local has_shared_entry, is_written = is_shared and taken > 1, nil
if has_shared_entry then
  is_written = call('XADD', outbox, 'NOMKSTREAM', first, 'orders', table.concat(list, ' ', id_at, id_at + taken - 1))
end
-- Long enough from the start: a table that grows is copied again and again.
local fields = { unpack(list, id_at, request_at + taken - 1) }
for n = 1, taken do
  local id, sequence = list[id_at + n - 1], format('%d', seq + n)
  if not has_shared_entry then
    is_written = call('XADD', outbox, 'NOMKSTREAM', number_prefix .. sequence, 'order', id)
  end
  fields[2 * n - 1], fields[2 * n] = id, number_prefix .. sequence .. record_middle .. list[request_at + n - 1]
end
if not is_written then
  -- The outbox is missing; a new one would hide that entries are lost.
  answers = answers or {}
  for n = 1, count do
    answers[n] = records[n + 1] and answers[n] or { 'lost' }
  end
  return { epoch, now_ms, answers }
end
call('HSET', orders, unpack(fields))
local left, last = format('%d', remaining - units), format('%d', seq + taken)
if rate then
  call('HSET', sale, 'remaining', left, 'seq', last, 'limits', rate.field(taken))
else
  call('HSET', sale, 'remaining', left, 'seq', last)
end
if user_fields and user_fields[1] then
  call('HSET', users, unpack(user_fields))
end
if taken == count and not rate then
  return first .. ' ' .. now_ms
end
return { epoch, now_ms, answers, quotas }
