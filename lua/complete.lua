-- Notes that an order was paid, once. It counts at once, so that the order cannot expire any more: a completion neither makes
-- nor takes room.
--
-- Safe to run twice: the second run finds the completion in the record.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash  5 holds
-- ARGV  1 order id
--       2 high-water mark: epoch     \ see reserve.lua
--       3 high-water mark: sequence  /
--       4 limit of outbox entries
-- Returns one of
--   {'marked', record, n}  the record has the completion; n = 1 while its entry is in the outbox
--   {'expired'}            its units are given back, or will be
--   {'cancelled'}          it was cancelled before or after it was paid
--   {'rejected'}           the order never had units: the ledger rejected it before the sale was rebuilt
--   {'unknown'}            Redis has no such order, or the sale is retired: all its holds have ended
--   {'behind'}             Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}               a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}               the outbox is full
assert(#KEYS == 5 and #ARGV == 4, 'complete.lua takes 5 keys and 4 arguments')
local sale, orders, outbox, users, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local order_id, mark_epoch, mark_seq = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local record = redis.call('HGET', orders, order_id)
local facts = redis.call('HMGET', sale, 'epoch', 'seq', 'state')
local epoch, seq = tonumber(facts[1]), tonumber(facts[2])
if facts[3] == 'rebuilding' then
  return { 'behind' }
end
if not record or not epoch then
  return { 'unknown' }
end
if string.find(record, '^%S*/%d+%-%d+/') then
  return { 'cancelled' }
end
local completed = string.match(record, '^%S*/completed:(%d+%-%d+):')
if completed then
  return { 'marked', record, #redis.call('XRANGE', outbox, completed, completed) }
end
if string.find(record, '^%S*/expired:') then
  return { 'expired' }
end
if string.find(record, '^%S*/rejected') then
  return { 'rejected' }
end
if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'behind' }
end
if redis.call('PTTL', sale) >= 0 then
  return { 'unknown' }
end
if redis.call('EXISTS', outbox, users, holds) < 3 then
  return { 'lost' }
end
if redis.call('XLEN', outbox) >= tonumber(ARGV[4]) then
  return { 'full' }
end

local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local sequence = string.format('%d', seq + 1)
local entry = facts[1] .. '-' .. sequence
local number, rest, quantity = string.match(record, '^(%S+)( %d+ (%d+) .*)$')
record = number .. '/completed:' .. entry .. ':' .. now_ms .. rest
redis.call('XADD', outbox, entry, 'complete', order_id)
redis.call('HSET', orders, order_id, record)
redis.call('HSET', sale, 'seq', sequence)
redis.call('HINCRBY', sale, 'completed', quantity)
redis.call('ZREM', holds, order_id)
return { 'marked', record, 1 }
