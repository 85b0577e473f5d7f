-- Stops a sale for a rebuild: it sells nothing and takes no change until reopen_sale.lua. A sale
-- that this Redis has lost is stopped, too, so that nobody opens it anew meanwhile, nor another sale
-- of the same tag and opening time, which would share its orders hash.
-- Sent twice, it stops the sale twice.
--
-- KEYS  1 sale hash  2 orders hash
-- ARGV  1 token of the rebuild: whoever stopped a sale last is the one who may reopen it
--       2 product id
-- Returns one of
--   {'stopped', epoch, seq}  the highest number given out so far (0, 0 for a lost sale)
--   {'taken'}                another sale has taken the orders hash since this one was lost
assert(#KEYS == 2 and #ARGV == 2, 'stop_sale.lua takes 2 keys and 2 arguments')
local sale, orders, token, product = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

redis.call('HSETNX', orders, '', product)
if redis.call('HGET', orders, '') ~= product then
  return { 'taken' }
end
local numbers = redis.call('HMGET', sale, 'epoch', 'seq')
redis.call('HSET', sale, 'state', 'rebuilding', 'rebuild', token)
return { 'stopped', tonumber(numbers[1] or 0), tonumber(numbers[2] or 0) }
