-- Lets a sale go on in a Redis that has lost acknowledged writes (ON_REDIS_LOSS=continue): in an
-- epoch of its own, so that from now on no number is given to a second order. What it sells beyond
-- the stock, the ledger rejects. Sent twice, it does nothing the second time.
--
-- KEYS  1 sale hash
-- ARGV  1 witness epoch     \ see reserve.lua
--       2 witness sequence  /
-- Returns one of
--   {'began'}  this call began the new epoch
--   {'whole'}  this Redis does not stand below the witness (any more)
--   {'lost'}   it has lost the whole sale, or the sale is being rebuilt
assert(#KEYS == 1 and #ARGV == 2, 'go_on.lua takes 1 key and 2 arguments')
local sale, witness_epoch, witness_seq = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq')
local state, epoch, seq = facts[1], tonumber(facts[2]), tonumber(facts[3])
if not epoch or state == 'rebuilding' then
  return { 'lost' }
end
if epoch > witness_epoch or (epoch == witness_epoch and seq >= witness_seq) then
  return { 'whole' }
end
redis.call('HSET', sale, 'epoch', string.format('%d', witness_epoch + 1), 'seq', 0)
return { 'began' }
