-- Lets people join the queue of a sale: before its start nothing but their number is counted, after it each gets the next number.
-- crates/gate/src/scripts.rs puts read_queue.lua before this text.
--
-- Safe to run twice: before the start the second run counts nobody again; after it, it gives further numbers, and those of the first
-- run belong to nobody.
--
-- KEYS  1 sale hash  2 queue hash  3 who joined before the start (HyperLogLog)
-- ARGV  1 opening time of the sale as the caller knows it, Unix ms: the tickets are bound to it
--       2 fingerprint of the secret that the caller signs tickets with
--       3 to 8 how far the caller has seen the queue (read_queue.lua)
--       then the holders, 16 bytes each, of at most 256 people
-- Returns one of
--   {'early'}            all joined before the start
--   {'late', number}     all joined after it; the number of the first one, the others have those that follow
--   {'unknown'}          Redis has no such sale, or it has no queue
--   {'moved'}            the caller knows old terms
--   {'behind'}           the sale is being rebuilt
--   {'lost'}             a key of the queue is missing: Redis has evicted it, or somebody has deleted it
--   {'not_open', ms}     one can join in that many ms
--   {'ended'}            nobody can join any more
--   {'closed'}           the sale is closed
assert(#KEYS == 3 and #ARGV >= 9 and #ARGV <= 8 + 256, 'join_queue.lua takes 3 keys, 8 arguments, and at most 256 holders')
local sale, queue, early = KEYS[1], KEYS[2], KEYS[3]
local count = #ARGV - 8

local facts = redis.call('HMGET', sale, 'state', 'opens_at', 'closes_at', 'queue', 'queue_started')
local state, opens_at, closes_at, terms = facts[1], facts[2], facts[3], facts[4]
if not state or not terms then
  return { 'unknown' }
elseif state == 'rebuilding' then
  return { 'behind' }
end
local join_from, join_until, fingerprint = string.match(terms, '^(%d+) (%d+) .* (%x+)$')
if opens_at ~= ARGV[1] or fingerprint ~= ARGV[2] then
  return { 'moved' }
end
local progress = read_queue(queue, { unpack(ARGV, 3, 8) }, facts[5])
if not progress or redis.call('EXISTS', early) == 0 then
  return { 'lost' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if state == 'closed' or (closes_at ~= '' and now >= closes_at + 0) then
  return { 'closed' }
elseif now < join_from + 0 then
  return { 'not_open', join_from - now }
elseif join_until + 0 > 0 and now >= join_until + 0 then
  return { 'ended' }
end

-- The start is over for good once one instance has seen it, even if the clock is set back or Redis has lost it.
if now < opens_at + 0 and not progress.is_started and progress.late == 0 then
  redis.call('PFADD', early, unpack(ARGV, 9))
  return { 'early' }
end
redis.call('HSET', queue, 'late', string.format('%.0f', progress.late + count))
return { 'late', progress.late + 1 }
