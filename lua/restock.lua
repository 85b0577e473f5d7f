-- Notes a restock, once per restock id. A restock makes room, so it is on Kafka before it counts; see cancel.lua.
--
-- Safe to run twice: the second run finds the restock.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream
-- ARGV  1 restock id
--       2 units
--       3 high-water mark: epoch     \ see reserve.lua
--       4 high-water mark: sequence  /
--       5 limit of units in a sale
--       6 limit of outbox entries
-- Returns one of
--   {'noted', restock, n}  it is noted, as 'epoch-seq at_ms units'; n = 1 while its entry is in the outbox
--   {'unknown'}            Redis has no such sale
--   {'not_open'}           its opening is not on Kafka yet
--   {'closed'}
--   {'too_many'}           the sale would have more than ARGV[5] units
--   {'behind'}             Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}               a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}               the outbox is full
assert(#KEYS == 3 and #ARGV == 6, 'restock.lua takes 3 keys and 6 arguments')
local sale, orders, outbox = KEYS[1], KEYS[2], KEYS[3]
local field, units = 'restock:' .. ARGV[1], ARGV[2]
local mark_epoch, mark_seq, units_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local noted = redis.call('HGET', orders, field)
if noted then
  local entry = string.match(noted, '^%S+')
  return { 'noted', noted, #redis.call('XRANGE', outbox, entry, entry) }
end
local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'planned_total', 'closes_at')
local state, epoch, seq = facts[1], tonumber(facts[2]), tonumber(facts[3])
if not state then
  return { 'unknown' }
end
if state == 'rebuilding' then
  return { 'behind' }
end
if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'behind' }
end
if redis.call('EXISTS', orders, outbox) < 2 then
  return { 'lost' }
end
local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local closes_at = tonumber(facts[5])
if state == 'closed' or (closes_at and tonumber(now_ms) >= closes_at) then
  return { 'closed' }
end
if state == 'opening' then
  return { 'not_open' }
end
if tonumber(facts[4]) + tonumber(units) > units_max then
  return { 'too_many' }
end
if redis.call('XLEN', outbox) >= tonumber(ARGV[6]) then
  return { 'full' }
end

local sequence = string.format('%d', seq + 1)
local entry = facts[2] .. '-' .. sequence
noted = entry .. ' ' .. now_ms .. ' ' .. units
redis.call('XADD', outbox, entry, 'restock', ARGV[1])
redis.call('HSET', orders, field, noted)
-- Restocks that do not count yet are included: all of them together must stay within the limit.
redis.call('HINCRBY', sale, 'planned_total', units)
redis.call('HSET', sale, 'seq', sequence)
return { 'noted', noted, 1 }
