-- Takes units for one order, once, or says why not. All checks come before the first write, and
-- the only write that can fail (XADD: out of memory) comes first, so a failed call changed nothing.
-- Sending it twice is safe: the second call finds the order known.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 order id
--       2 user id
--       3 quantity
--       4 opening time the caller derived the order id from, Unix ms
--       5 witness epoch     \ the highest number the caller was ever answered for this sale:
--       6 witness sequence  / a Redis that stands lower has lost acknowledged writes
--       7 most entries the outbox may hold
-- Returns one of
--   {'reserved', record}            units were taken; the record is 'epoch-seq placed_at_ms quantity user'
--   {'known', record, n}            the order exists; n = 1 while it still waits in the outbox
--   {'unknown'}                     no such sale in this Redis
--   {'moved'}                       the sale opened at another time than ARGV[4]
--   {'lost'}                        this Redis stands below the witness
--   {'not_open', ms}                opens in that many ms; 0 = as soon as its opening is on Kafka
--   {'closed'}
--   {'user_limit'}
--   {'sold_out'}                    nothing is left
--   {'insufficient'}                something is left, but less than the quantity
--   {'outbox_full'}
assert(#KEYS == 4 and #ARGV == 7, 'reserve.lua takes 4 keys and 7 arguments')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local order_id, user, quantity, opened_at = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local witness_epoch, witness_seq, outbox_max = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local record = redis.call('HGET', orders, order_id)
if record then
  local entry = string.match(record, '^%S+')
  return { 'known', record, #redis.call('XRANGE', outbox, entry, entry) }
end

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'remaining', 'opens_at', 'closes_at', 'user_limit')
local state = facts[1]
if not state then
  return { 'unknown' }
end
if facts[5] ~= opened_at then
  return { 'moved' }
end
local epoch, seq = tonumber(facts[2]), tonumber(facts[3])
if epoch < witness_epoch or (epoch == witness_epoch and seq < witness_seq) then
  return { 'lost' }
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local opens_at, closes_at = tonumber(facts[5]), tonumber(facts[6])
if closes_at and now >= closes_at then
  return { 'closed' }
end
if now < opens_at then
  return { 'not_open', opens_at - now }
end
if state == 'opening' then
  return { 'not_open', 0 }
end

local user_limit = tonumber(facts[7])
if user_limit then
  local held = tonumber(redis.call('HGET', users, user) or 0)
  if held + quantity > user_limit then
    return { 'user_limit' }
  end
end

local remaining = tonumber(facts[4])
if remaining == 0 then
  return { 'sold_out' }
end
if remaining < quantity then
  return { 'insufficient' }
end
if redis.call('XLEN', outbox) >= outbox_max then
  return { 'outbox_full' }
end

seq = seq + 1
local entry = epoch .. '-' .. seq
record = entry .. ' ' .. now .. ' ' .. quantity .. ' ' .. user
redis.call('XADD', outbox, entry, 'order', order_id)
redis.call('HSET', orders, order_id, record)
if user_limit then
  redis.call('HINCRBY', users, user, quantity)
end
redis.call('HSET', sale, 'remaining', remaining - quantity, 'seq', seq)
return { 'reserved', record }
