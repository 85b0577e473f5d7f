-- Notes a restock, once per restock id. A restock makes room, so it is on Kafka before it counts; see cancel.lua.
--
-- Safe to run twice: the second run finds the restock.
-- crates/gate/src/scripts.rs puts refuse_change.lua before this text.
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

local noted = redis.call('HGET', orders, field)
if noted then
  local entry = string.match(noted, '^%S+')
  return { 'noted', noted, #redis.call('XRANGE', outbox, entry, entry) }
end
local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'closes_at', 'planned_total')
local refused, now_ms = refuse_change(facts, ARGV[3], ARGV[4], orders, outbox)
if refused then
  return { refused }
end
if facts[5] + units > tonumber(ARGV[5]) then
  return { 'too_many' }
end
if redis.call('XLEN', outbox) >= tonumber(ARGV[6]) then
  return { 'full' }
end

local sequence = string.format('%d', facts[3] + 1)
local entry = facts[2] .. '-' .. sequence
noted = entry .. ' ' .. now_ms .. ' ' .. units
redis.call('XADD', outbox, entry, 'restock', ARGV[1])
redis.call('HSET', orders, field, noted)
-- Restocks that do not count yet are included: all of them together must stay within the limit.
redis.call('HINCRBY', sale, 'planned_total', units)
redis.call('HSET', sale, 'seq', sequence)
return { 'noted', noted, 1 }
