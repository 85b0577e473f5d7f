-- Stops a sale for a rebuild: until reopen_sale.lua it sells nothing and takes no change. A sale
-- that Redis has lost is stopped too, so that it cannot be opened again meanwhile, nor another sale
-- with the same tag and opening time, which would share its orders hash.
--
-- Safe to run twice: the second run stops the sale again.
--
-- KEYS  1 sale hash  2 orders hash
-- ARGV  1 token of the rebuild: only the rebuild that stopped a sale last can reopen it
--       2 product id
-- Returns one of
--   {'stopped', epoch, seq, n}  the highest sequence number given out (0, 0 for a lost sale); how often the relay has
--                            retired the sale
--   {'taken'}                another sale has used the orders hash since this one was lost
assert(#KEYS == 2 and #ARGV == 2, 'stop_sale.lua takes 2 keys and 2 arguments')
local sale, orders, token, product = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

redis.call('HSETNX', orders, '', product)
if redis.call('HGET', orders, '') ~= product then
  return { 'taken' }
end
local numbers = redis.call('HMGET', sale, 'epoch', 'seq', 'retirements')
redis.call('HSET', sale, 'state', 'rebuilding', 'rebuild', token)
-- A retired sale would expire during its rebuild, and nothing would look at what was restored.
redis.call('PERSIST', sale)
return { 'stopped', tonumber(numbers[1] or 0), tonumber(numbers[2] or 0), tonumber(numbers[3] or 0) }
