-- Takes units for orders of one sale, in the order given, each order once, or says why not.
-- Several orders share one call: what is read or written per sale is read or written once.
-- crates/gate/src/scripts.rs puts find_entry.lua before this text.
--
-- Safe to run twice: the second run finds the orders known. All checks of an order come before its writes,
-- and the first write is the only one that can fail (XADD, when Redis is out of memory), so a failed call has
-- changed nothing.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 opening time from which the caller derived the order ids, Unix ms
--       2 high-water mark: epoch     \ the highest number that the caller has seen, or the ledger has:
--       3 high-water mark: sequence  / if Redis has a lower one, it has lost acknowledged writes
--       4 limit of outbox entries
--       5 1: the orders taken share one entry, if they are several; 0: each has its own
--       then the ids of at most 64 orders, their users, and their quantities
-- Returns a text if units were taken for every order: 'epoch-seq now_ms', the number of the first order and Redis's
-- clock. The others have the numbers that follow. The caller can build the records itself, from its own orders.
-- Otherwise {epoch, now_ms, answers}: the sale's epoch (nil without a sale), Redis's clock (nil if it was not read), and
-- one answer per order:
--   seq                    units were taken, under this number
--   {'known', record, n}   the order exists; n = 1 while it waits in the outbox
--   {'unknown'}            Redis has no such sale
--   {'moved'}              the sale opened at another time than ARGV[1]
--   {'behind'}             Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}               a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'not_open', ms}       opens in that many ms; 0: as soon as its opening is on Kafka
--   {'closed'}
--   {'user_limit'}         the user would hold more units than the limit
--   {'sold_out'}           no unit is left, or a refusal lease has not expired (grant_refusal_lease.lua)
--   {'insufficient'}       units are left, but fewer than the quantity
--   {'outbox_full'}
assert(#KEYS == 4 and #ARGV >= 8 and #ARGV <= 5 + 3 * 64 and (#ARGV - 5) % 3 == 0,
  'reserve.lua takes 4 keys, 5 arguments, and 3 per order, for at most 64 orders')
-- A call costs Redis more than its commands do: arguments, conversions and replies. So blocks of arguments go into
-- commands as they are, `text + 0` makes a number for half the price of tonumber, and the usual reply is one text.
local call = redis.call
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local opened_at, mark_epoch, mark_seq, outbox_max, is_shared = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local count = (#ARGV - 5) / 3
local last_id, last_user = 5 + count, 5 + 2 * count

-- By position, after the placeholder of the orders hash: the record, or false. Without the placeholder, the hash is lost.
-- The table `written` has the records of this call.
local records = call('HMGET', orders, '', unpack(ARGV, 6, last_id))

-- Redis and Lua themselves would print numbers as floating point, slowly.
local function integer(number)
  return string.format('%d', number)
end

local facts = call('HMGET', sale, 'state', 'epoch', 'seq', 'remaining', 'opens_at', 'closes_at', 'user_limit', 'sold_out_until')
local state, epoch, closes_at, sold_out_until = facts[1], facts[2], facts[6], facts[8]
-- Read only if the sale takes orders.
local seq, remaining, user_limit, now_ms

-- The longest lease (grant_refusal_lease.lua). If one ends later, the clock was set back.
local LEASE_MS_MAX = 2000

local function is_behind()
  if epoch == mark_epoch then
    return seq < mark_seq + 0
  end
  return epoch + 0 < mark_epoch + 0
end

-- Why the sale takes no new order at all, or nil.
local function refusal()
  if not state then
    return { 'unknown' }
  end
  if state == 'rebuilding' then
    return { 'behind' }
  end
  if facts[5] ~= opened_at then
    return { 'moved' }
  end
  seq, remaining = facts[3] + 0, facts[4] + 0
  if is_behind() then
    return { 'behind' }
  end
  if not records[1] then
    return { 'lost' }
  end
  local time = call('TIME')
  -- Seconds, and the first three of six digits of microseconds.
  now_ms = time[1] .. string.sub('00000' .. time[2], -6, -4)
  local now = now_ms + 0
  if state == 'closed' or (closes_at ~= '' and now >= closes_at + 0) then
    return { 'closed' }
  end
  local opens_in_ms = opened_at - now
  if opens_in_ms > 0 then
    return { 'not_open', opens_in_ms }
  end
  if state == 'opening' then
    return { 'not_open', 0 }
  end
  local lease_ms = sold_out_until and sold_out_until - now
  -- Units have returned while instances still refuse from memory.
  if lease_ms and lease_ms > 0 and lease_ms <= LEASE_MS_MAX then
    return { 'sold_out' }
  end
  user_limit = facts[7] ~= '' and facts[7] + 0
end
local refused = refusal()

local waiting = call('XLEN', outbox)
-- Units by user: of all users of this call; of those who get some.
local held, holding
local written, answers, taken = {}, {}, 0
-- Long enough from the start: a table that grows is copied again and again.
local fields = { unpack(ARGV, 6, last_user) }
local room, number_prefix, record_middle
if not refused then
  room = outbox_max - waiting
  number_prefix, record_middle = epoch .. '-', ' ' .. now_ms .. ' '
end

-- Why this user does not get so many units, or nil.
local function limited(user, units)
  if not held then
    held, holding = {}, {}
    local found = call('HMGET', users, '', unpack(ARGV, last_id + 1, last_user))
    for n = 1, found[1] and count or 0 do
      held[ARGV[last_id + n]] = (found[n + 1] or 0) + 0
    end
  end
  if not held[user] then
    return { 'lost' }
  end
  if held[user] + units > user_limit then
    return { 'user_limit' }
  end
end

-- Returns why there are no units for this order, or its number.
local function reserve(id, user, quantity)
  local units = quantity + 0
  if remaining == 0 then
    return { 'sold_out' }
  end
  local limit = user_limit and limited(user, units)
  if limit then
    return limit
  end
  if remaining < units then
    return { 'insufficient' }
  end
  if room <= 0 then
    return { 'outbox_full' }
  end

  local number = number_prefix .. integer(seq + 1)
  if not is_shared then
    -- A new stream would hide that entries are lost.
    if not call('XADD', outbox, 'NOMKSTREAM', number, 'order', id) then
      return { 'lost' }
    end
    room = room - 1
  end
  seq, remaining, taken = seq + 1, remaining - units, taken + 1
  local record = number .. record_middle .. quantity .. ' ' .. user
  if user_limit then
    held[user] = held[user] + units
    holding[user] = held[user]
  end
  written[id] = record
  fields[2 * taken - 1], fields[2 * taken] = id, record
  return seq
end

for n = 1, count do
  local id = ARGV[5 + n]
  local record = records[n + 1]
  if record then
    -- A damaged record has no number: the caller reports that for this order alone.
    local number = waiting > 0 and string.match(record, '^%d+%-%d+')
    answers[n] = { 'known', record, number and is_waiting(sale, outbox, number) and 1 or 0 }
  elseif written[id] then
    answers[n] = { 'known', written[id], 1 }
  else
    answers[n] = refused or reserve(id, ARGV[last_id + n], ARGV[last_user + n])
  end
end

if taken == 0 then
  return { epoch, now_ms or false, answers }
end
-- As above, for all orders taken.
if is_shared then
  local kind, subject = 'order', fields[1]
  if taken > 1 then
    kind = 'orders'
    if taken == count then
      subject = table.concat(ARGV, ' ', 6, last_id)
    else
      local ids = {}
      for n = 1, taken do
        ids[n] = fields[2 * n - 1]
      end
      subject = table.concat(ids, ' ')
    end
  end
  local first = number_prefix .. integer(seq - taken + 1)
  if not call('XADD', outbox, 'NOMKSTREAM', first, kind, subject) then
    for n = 1, count do
      answers[n] = records[n + 1] and answers[n] or { 'lost' }
    end
    return { epoch, now_ms, answers }
  end
end
call('HSET', orders, unpack(fields, 1, 2 * taken))
call('HSET', sale, 'remaining', integer(remaining), 'seq', integer(seq))
if holding then
  local units = {}
  for user, number in pairs(holding) do
    units[#units + 1] = user
    units[#units + 1] = integer(number)
  end
  call('HSET', users, unpack(units))
end
if taken == count then
  return number_prefix .. integer(seq - count + 1) .. ' ' .. now_ms
end
return { epoch, now_ms, answers }
