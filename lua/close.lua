-- Closes a sale by hand. A closing takes room, so it counts at once, before its event is on Kafka.
--
-- Safe to run twice: the second run finds the sale closed.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
--       3 retirement of the sale under which the caller has put it into the index; '' if it has not
--       4 limit of outbox entries
-- Returns one of
--   {'ended', entry, at_ms, n}  it is closed; n = 1 while the closing's entry is in the outbox
--   {'unknown'}                 Redis has no such sale
--   {'not_open'}                its opening is not on Kafka yet
--   {'behind'}                  Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}                    the outbox is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}                    the outbox is full
--   {'retired', n}              see cancel.lua
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV == 4, 'close.lua takes 4 to 7 keys and 4 arguments')
local sale, outbox = KEYS[1], KEYS[3]
local mark_epoch, mark_seq = tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'closed', 'retirements')
local state, epoch, seq, closed = facts[1], tonumber(facts[2]), tonumber(facts[3]), facts[4]
if not state then
  return { 'unknown' }
end
if state == 'rebuilding' then
  return { 'behind' }
end
local entry, at_ms
if closed then
  entry, at_ms = string.match(closed, '^(%S+) (%d+)$')
  if #redis.call('XRANGE', outbox, entry, entry) == 0 then
    return { 'ended', entry, at_ms, 0 }
  end
else
  if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
    return { 'behind' }
  end
  if state == 'opening' then
    return { 'not_open' }
  end
  if redis.call('EXISTS', outbox) == 0 then
    return { 'lost' }
  end
  if redis.call('XLEN', outbox) >= tonumber(ARGV[4]) then
    return { 'full' }
  end
end

-- A sale that ended by its schedule may be retired before it is closed; see cancel.lua.
local retirement = redis.call('PTTL', sale) >= 0 and (facts[5] or '0')
if retirement and retirement ~= ARGV[3] then
  return { 'retired', tonumber(retirement) }
end
local function keep()
  for i = 1, retirement and #KEYS or 0 do
    redis.call('PERSIST', KEYS[i])
  end
end
if closed then
  keep()
  return { 'ended', entry, at_ms, 1 }
end

local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local sequence = string.format('%d', seq + 1)
entry = facts[2] .. '-' .. sequence
redis.call('XADD', outbox, entry, 'closes', now_ms)
redis.call('HSET', sale, 'state', 'closed', 'seq', sequence, 'closed', entry .. ' ' .. now_ms)
keep()
return { 'ended', entry, now_ms, 1 }
