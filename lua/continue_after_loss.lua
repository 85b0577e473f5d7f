-- Lets a sale go on in a Redis that has lost acknowledged writes (ON_REDIS_LOSS=continue): in an
-- epoch of its own, so that from now on no number is given to a second order. What it sells beyond
-- the stock, the ledger rejects. Sent twice, it does nothing the second time.
--
-- KEYS  1 sale hash
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
-- Returns one of
--   {'began'}  this call began the new epoch
--   {'whole'}  this Redis does not stand below the witness (any more)
--   { 'behind' }   it has lost the whole sale, or the sale is being rebuilt
assert(#KEYS == 1 and #ARGV == 2, 'continue_after_loss.lua takes 1 key and 2 arguments')
local sale, mark_epoch, mark_seq = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq')
local state, epoch, seq = facts[1], tonumber(facts[2]), tonumber(facts[3])
if not epoch or state == 'rebuilding' then
  return { 'behind' }
end
if epoch > mark_epoch or (epoch == mark_epoch and seq >= mark_seq) then
  return { 'whole' }
end
redis.call('HSET', sale, 'epoch', string.format('%d', mark_epoch + 1), 'seq', 0)
return { 'began' }
