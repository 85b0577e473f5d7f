-- Writes to a sale without changing it, so that WAIT on the same connection has a write to wait for.
--
-- Safe to run twice: it changes nothing.
--
-- KEYS  1 sale hash
-- Returns 1; 0, and nothing was written, if Redis has no such sale
assert(#KEYS == 1 and #ARGV == 0, 'touch_sale.lua takes 1 key and no argument')

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'seq', 0)
return 1
