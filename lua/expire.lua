-- Notes that orders were not paid in time, each once. An expiry makes room, as a cancel does: this script writes it into the
-- order's record and into the outbox, and ack_outbox.lua returns the units when Kafka has the event.
--
-- Safe to run twice: the second run no longer finds these orders among the holds; their entries wait in the outbox.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash  5 holds
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
--       3 the latest end of a hold that expires, Unix ms (watch_holds.lua)
--       4 limit of orders, at most 100
--       5 limit of outbox entries
-- Returns one of
--   {'expired', id, record, ...}  these orders, with their records
--   {'unknown'}                   Redis has no such sale
--   {'behind'}                    Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}                      a key or a record of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}                      the outbox is full
assert(#KEYS == 5 and #ARGV == 5 and tonumber(ARGV[4]) <= 100,
  'expire.lua takes 5 keys and 5 arguments, and expires at most 100 orders')
local sale, orders, outbox, users, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mark_epoch, mark_seq = tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'epoch', 'seq', 'state')
local epoch, seq = tonumber(facts[1]), tonumber(facts[2])
if not epoch then
  return { 'unknown' }
end
if facts[3] == 'rebuilding' or epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'behind' }
end
if redis.call('EXISTS', orders, outbox, users, holds) < 4 then
  return { 'lost' }
end
local room = ARGV[5] - redis.call('XLEN', outbox)
if room <= 0 then
  return { 'full' }
end
local ids = redis.call('ZRANGEBYSCORE', holds, '-inf', ARGV[3], 'LIMIT', 0, math.min(ARGV[4], room))
local records = #ids > 0 and redis.call('HMGET', orders, unpack(ids)) or {}
for n = 1, #ids do
  if not records[n] then
    return { 'lost' }
  end
end

local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local reply, fields = { 'expired' }, {}
for n, id in ipairs(ids) do
  local number, rest = string.match(records[n], '^(%d+%-%d+)( .*)$')
  -- Another record says already what became of its order.
  if number then
    seq = seq + 1
    local entry = facts[1] .. '-' .. string.format('%d', seq)
    local record = number .. '/expired:' .. entry .. ':' .. now_ms .. rest
    redis.call('XADD', outbox, entry, 'expire', id)
    fields[#fields + 1], fields[#fields + 2] = id, record
    reply[#reply + 1], reply[#reply + 2] = id, record
  end
end
if #fields > 0 then
  redis.call('HSET', orders, unpack(fields))
  redis.call('HSET', sale, 'seq', string.format('%d', seq))
end
if #ids > 0 then
  redis.call('ZREM', holds, unpack(ids))
end
return reply
