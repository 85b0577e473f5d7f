-- Takes units for orders of one sale, in the order given, each order once, or says why not.
-- Many orders in one call cost Redis a third of as many calls: what is read or written per sale is
-- read or written once.
--
-- All checks of an order come before its writes, and the first write of the call is the only one
-- that can fail (XADD: out of memory), so a failed call changed nothing. Sending it twice is safe:
-- the second call finds the orders known.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 opening time the caller derived the order ids from, Unix ms
--       2 high-water mark: epoch     \ the highest number the caller was answered, or read in the ledger:
--       3 high-water mark: sequence  / a Redis that stands lower has lost acknowledged writes
--       4 most entries the outbox may hold
--       then for each order: order id, user id, quantity
-- Returns {epoch, now_ms, answers}: the sale's epoch (nil where there is no sale), Redis's clock (nil
-- where it was not asked), and one answer per order, each one of
--   seq                    units were taken now, under this number; the record is the caller's own
--                          order at now_ms, so it is not sent back
--   {'known', record, n}   the order exists; n = 1 while it still waits in the outbox
--   {'unknown'}            no such sale in this Redis
--   {'moved'}              the sale opened at another time than ARGV[1]
--   { 'behind' }               this Redis is behind the high-water mark, or the sale is being rebuilt
--   {'not_open', ms}       opens in that many ms; 0 = as soon as its opening is on Kafka
--   {'closed'}
--   {'user_limit'}
--   {'sold_out'}           nothing is left, or a sign says so for a moment longer (grant_refusal_lease.lua)
--   {'insufficient'}       something is left, but less than the quantity
--   {'outbox_full'}
assert(#KEYS == 4 and #ARGV >= 7 and (#ARGV - 4) % 3 == 0, 'reserve.lua takes 4 keys, 4 arguments, and 3 per order')
local call = redis.call
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local opened_at, mark_epoch, mark_seq, outbox_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local ids = {}
for i = 5, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
-- By position: the record, or false. A record written below is found by the next order of its id.
local records = call('HMGET', orders, unpack(ids))

-- Numbers become text by %d: Redis and Lua themselves would print them as floating point, slowly.
local function integer(number)
  return string.format('%d', number)
end

local facts = call('HMGET', sale, 'state', 'epoch', 'seq', 'remaining', 'opens_at', 'closes_at', 'user_limit', 'sold_out_until')
local state, epoch, seq, remaining = facts[1], facts[2], tonumber(facts[3]), tonumber(facts[4])
local user_limit, sold_out_until = tonumber(facts[7]), tonumber(facts[8])
local now_ms

-- The longest that a sign hangs (grant_refusal_lease.lua); beyond it, the clock was set back.
local LEASE_MS_MAX = 2000

-- Why the sale takes no new order at all, if so.
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
  if tonumber(epoch) < mark_epoch or (tonumber(epoch) == mark_epoch and seq < mark_seq) then
    return { 'behind' }
  end
  local time = call('TIME')
  now_ms = string.format('%d%03d', time[1], time[2] / 1000)
  local now, opens_at, closes_at = tonumber(now_ms), tonumber(opened_at), tonumber(facts[6])
  if closes_at and now >= closes_at then
    return { 'closed' }
  end
  if now < opens_at then
    return { 'not_open', opens_at - now }
  end
  if state == 'opening' then
    return { 'not_open', 0 }
  end
  if state == 'closed' then
    return { 'closed' }
  end
  -- Units have come back while copies still say from memory that there are none.
  if sold_out_until and now < sold_out_until and sold_out_until - now <= LEASE_MS_MAX then
    return { 'sold_out' }
  end
end
local refused = refusal()

local room = outbox_max - call('XLEN', outbox)
local held, written, answers = {}, {}, {}

local function reserve(id, user, quantity)
  local units = tonumber(quantity)
  if remaining == 0 then
    return { 'sold_out' }
  end
  if user_limit then
    held[user] = held[user] or tonumber(call('HGET', users, user) or 0)
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

  seq, room, remaining = seq + 1, room - 1, remaining - units
  local entry = epoch .. '-' .. integer(seq)
  local record = entry .. ' ' .. now_ms .. ' ' .. quantity .. ' ' .. user
  call('XADD', outbox, entry, 'order', id)
  if user_limit then
    held[user] = held[user] + units
    call('HINCRBY', users, user, quantity)
  end
  written[id] = record
  return seq
end

for n, id in ipairs(ids) do
  local record = records[n] or written[id]
  if record then
    -- A damaged record has none; the caller will say so, of this order alone.
    local entry = string.match(record, '^%d+%-%d+')
    answers[n] = { 'known', record, entry and #call('XRANGE', outbox, entry, entry) or 0 }
  else
    answers[n] = refused or reserve(id, ARGV[3 * n + 3], ARGV[3 * n + 4])
  end
end

if next(written) then
  local fields = {}
  for id, record in pairs(written) do
    fields[#fields + 1] = id
    fields[#fields + 1] = record
  end
  call('HSET', orders, unpack(fields))
  call('HSET', sale, 'remaining', integer(remaining), 'seq', integer(seq))
end
return { epoch, now_ms or false, answers }
