-- Takes units for orders of one sale, in the order given, each order once, or says why not.
-- Several orders share one call: what is read or written per sale is read or written once.
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
--       then for each of at most 64 orders: order id, user id, quantity
-- Returns {epoch, now_ms, answers}: the sale's epoch (nil without a sale), Redis's clock (nil if it was not
-- read), and one answer per order:
--   seq                    units were taken, under this number. The caller can build the record itself, from
--                          its own order and now_ms
--   {'known', record, n}   the order exists; n = 1 while its entry is in the outbox
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
assert(#KEYS == 4 and #ARGV >= 7 and #ARGV <= 4 + 3 * 64 and (#ARGV - 4) % 3 == 0,
  'reserve.lua takes 4 keys, 4 arguments, and 3 per order, for at most 64 orders')
local call = redis.call
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local opened_at, mark_epoch, mark_seq, outbox_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local ids, count = {}, 0
for i = 5, #ARGV, 3 do
  count = count + 1
  ids[count] = ARGV[i]
end
-- The placeholder of the orders hash: without it, the hash is lost.
ids[count + 1] = ''
-- By position: the record, or false. The table `written` has those of this call.
local records = call('HMGET', orders, unpack(ids))

-- Redis and Lua themselves would print numbers as floating point, slowly.
local function integer(number)
  return string.format('%d', number)
end

local facts = call('HMGET', sale, 'state', 'epoch', 'seq', 'remaining', 'opens_at', 'closes_at', 'user_limit', 'sold_out_until')
local state, epoch, seq, remaining = facts[1], facts[2], tonumber(facts[3]), tonumber(facts[4])
-- `seq` as text.
local last_seq = facts[3]
local user_limit, sold_out_until = tonumber(facts[7]), tonumber(facts[8])
local now_ms

-- The longest lease (grant_refusal_lease.lua). If one ends later, the clock was set back.
local LEASE_MS_MAX = 2000

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
  local number = tonumber(epoch)
  if number < mark_epoch or (number == mark_epoch and seq < mark_seq) then
    return { 'behind' }
  end
  if not records[count + 1] then
    return { 'lost' }
  end
  local time = call('TIME')
  now_ms = string.format('%d%03d', time[1], time[2] / 1000)
  local now, opens_at, closes_at = tonumber(now_ms), tonumber(opened_at), tonumber(facts[6])
  if state == 'closed' or (closes_at and now >= closes_at) then
    return { 'closed' }
  end
  if now < opens_at then
    return { 'not_open', opens_at - now }
  end
  if state == 'opening' then
    return { 'not_open', 0 }
  end
  -- Units have returned while instances still refuse from memory.
  if sold_out_until and now < sold_out_until and sold_out_until - now <= LEASE_MS_MAX then
    return { 'sold_out' }
  end
end
local refused = refusal()

local waiting = call('XLEN', outbox)
local room, has_outbox = outbox_max - waiting, waiting > 0
local held, written, fields, answers = {}, {}, {}, {}

local function reserve(id, user, quantity)
  local units = tonumber(quantity)
  if remaining == 0 then
    return { 'sold_out' }
  end
  if user_limit then
    if not held[user] then
      local found = call('HMGET', users, user, '')
      if not found[2] then
        return { 'lost' }
      end
      held[user] = tonumber(found[1] or 0)
    end
    if held[user] + units > user_limit then
      return { 'user_limit' }
    end
  end
  if remaining < units then
    return { 'insufficient' }
  end
  if room <= 0 then
    return { 'outbox_full' }
  end

  local sequence = integer(seq + 1)
  local entry = epoch .. '-' .. sequence
  if has_outbox then
    call('XADD', outbox, entry, 'order', id)
  elseif not call('XADD', outbox, 'NOMKSTREAM', entry, 'order', id) then
    -- A new stream would hide that entries are lost.
    return { 'lost' }
  end
  has_outbox = true
  seq, last_seq, room, remaining = seq + 1, sequence, room - 1, remaining - units
  local record = entry .. ' ' .. now_ms .. ' ' .. quantity .. ' ' .. user
  if user_limit then
    held[user] = held[user] + units
    call('HINCRBY', users, user, quantity)
  end
  written[id] = record
  fields[#fields + 1] = id
  fields[#fields + 1] = record
  return seq
end

for n = 1, count do
  local id = ids[n]
  local record = records[n] or written[id]
  if record then
    -- A damaged record has no number: the caller reports that for this order alone.
    local entry = has_outbox and string.match(record, '^%d+%-%d+')
    answers[n] = { 'known', record, entry and #call('XRANGE', outbox, entry, entry) or 0 }
  else
    answers[n] = refused or reserve(id, ARGV[3 * n + 3], ARGV[3 * n + 4])
  end
end

if fields[1] then
  call('HSET', orders, unpack(fields))
  call('HSET', sale, 'remaining', integer(remaining), 'seq', last_seq)
end
return { epoch, now_ms or false, answers }
