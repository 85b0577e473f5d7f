-- Stops a sale for a rebuild: it sells nothing and takes no change until reopen_sale.lua. A sale
-- that this Redis has lost is stopped, too, so that nobody opens it anew meanwhile.
--
-- KEYS  1 sale hash
-- ARGV  1 token of the rebuild: whoever stopped a sale last is the one who may reopen it
-- Returns {epoch, seq}: the highest number given out so far ({0, 0} for a lost sale)
assert(#KEYS == 1 and #ARGV == 1, 'stop_sale.lua takes 1 key and 1 argument')
local numbers = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
redis.call('HSET', KEYS[1], 'state', 'rebuilding', 'rebuild', ARGV[1])
return { tonumber(numbers[1] or 0), tonumber(numbers[2] or 0) }
