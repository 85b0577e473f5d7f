-- Changes how a queue is served, once per change id: its rate, whether it is paused, and whether orders need turns. It counts at
-- once, before its event is on Kafka: it neither makes nor takes room.
--
-- Safe to run twice: the second run finds the change.
-- crates/gate/src/scripts.rs puts refuse_change.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream
-- ARGV  1 change id
--       2 admission rate       \
--       3 1: paused; 0: not    | '': it stays
--       4 mode: queue or pass  /
--       5 high-water mark: epoch     \ see reserve.lua
--       6 high-water mark: sequence  /
--       7 limit of outbox entries
-- Returns one of
--   {'noted', record, n}  the change, as 'epoch-seq at_ms rate paused mode'; n = 1 while its entry is in the outbox
--   {'unknown'}           Redis has no such sale
--   {'no_queue'}          the sale has no queue
--   {'not_open'}          its opening is not on Kafka yet
--   {'closed'}
--   {'behind'}            Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}              a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}              the outbox is full
assert(#KEYS == 3 and #ARGV == 7, 'change_queue.lua takes 3 keys and 7 arguments')
local sale, orders, outbox = KEYS[1], KEYS[2], KEYS[3]
local field = 'queue:' .. ARGV[1]

local noted = redis.call('HGET', orders, field)
if noted then
  local entry = string.match(noted, '^%S+')
  return { 'noted', noted, #redis.call('XRANGE', outbox, entry, entry) }
end
local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'closes_at', 'queue', 'queue_changed')
local refused, now_ms = refuse_change(facts, ARGV[5], ARGV[6], orders, outbox)
if refused then
  return { refused }
end
if not facts[5] then
  return { 'no_queue' }
end
if redis.call('XLEN', outbox) >= tonumber(ARGV[7]) then
  return { 'full' }
end

-- What calls before this one have set stays unless this one says something else.
local rate, paused, mode = string.match(facts[6] or '', '^%S+ %d+ (%S+) (%d) (%a+)$')
local function said(n, before)
  return ARGV[n] == '' and before or ARGV[n]
end
local sequence = string.format('%d', facts[3] + 1)
local entry = facts[2] .. '-' .. sequence
noted = table.concat({ entry, now_ms, said(2, rate or '-'), said(3, paused or '0'), said(4, mode or 'queue') }, ' ')
redis.call('XADD', outbox, entry, 'queue', ARGV[1])
redis.call('HSET', orders, field, noted)
redis.call('HSET', sale, 'seq', sequence, 'queue_changed', noted)
return { 'noted', noted, 1 }
