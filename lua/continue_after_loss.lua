-- Lets a sale continue in a Redis that has lost acknowledged writes (ON_REDIS_LOSS=continue): in a
-- new epoch, so that no sequence number is given to a second order. The ledger rejects what is sold beyond the stock.
--
-- Safe to run twice: the second run finds the new epoch.
--
-- KEYS  1 sale hash
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
-- Returns one of
--   {'began'}   this call began the new epoch
--   {'whole'}   Redis is not behind the high-water mark (any more)
--   {'behind'}  Redis has lost the whole sale, the sale has holds, or it is being rebuilt
assert(#KEYS == 1 and #ARGV == 2, 'continue_after_loss.lua takes 1 key and 2 arguments')
local sale, mark_epoch, mark_seq = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'hold')
local state, epoch, seq = facts[1], tonumber(facts[2]), tonumber(facts[3])
if not epoch or state == 'rebuilding' then
  return { 'behind' }
end
if epoch > mark_epoch or (epoch == mark_epoch and seq >= mark_seq) then
  return { 'whole' }
end
if facts[4] then
  -- The holds that are lost would never expire.
  return { 'behind' }
end
redis.call('HSET', sale, 'epoch', string.format('%d', mark_epoch + 1), 'seq', 0)
return { 'began' }
