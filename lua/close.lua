-- Closes a sale by hand. A closing takes room, so it counts at once, before its event is on Kafka.
--
-- Safe to run twice: the second run finds the sale closed.
--
-- KEYS  1 sale hash  2 outbox stream
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
-- Returns one of
--   {'ended', entry, at_ms, n}  it is closed; n = 1 while the closing's entry is in the outbox
--   {'unknown'}                 Redis has no such sale
--   {'not_open'}                its opening is not on Kafka yet
--   {'behind'}                  Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}                    the outbox is missing: Redis has evicted it, or somebody has deleted it
assert(#KEYS == 2 and #ARGV == 2, 'close.lua takes 2 keys and 2 arguments')
local sale, outbox = KEYS[1], KEYS[2]
local mark_epoch, mark_seq = tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'closed')
local state, epoch, seq, closed = facts[1], tonumber(facts[2]), tonumber(facts[3]), facts[4]
if not state then
  return { 'unknown' }
end
if state == 'rebuilding' then
  return { 'behind' }
end
if closed then
  local entry, at_ms = string.match(closed, '^(%S+) (%d+)$')
  return { 'ended', entry, at_ms, #redis.call('XRANGE', outbox, entry, entry) }
end
if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'behind' }
end
if state == 'opening' then
  return { 'not_open' }
end
if redis.call('EXISTS', outbox) == 0 then
  return { 'lost' }
end

local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local sequence = string.format('%d', seq + 1)
local entry = facts[2] .. '-' .. sequence
redis.call('XADD', outbox, entry, 'closes', now_ms)
redis.call('HSET', sale, 'state', 'closed', 'seq', sequence, 'closed', entry .. ' ' .. now_ms)
return { 'ended', entry, now_ms, 1 }
