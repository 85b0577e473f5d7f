-- Ends a rebuild: writes the sale hash as given. It is the last write of a rebuild, so that a rebuild that was
-- interrupted leaves nothing that sells.
--
-- Safe to run twice: the second run finds its token in `rebuilt`.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 token of the rebuild, then at most 32 pairs of field and value of the sale hash
-- Returns 1, or 0 if the sale was not stopped with this token, or a key was lost since it was emptied
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV >= 3 and #ARGV <= 65 and #ARGV % 2 == 1,
  'reopen_sale.lua takes 4 to 7 keys, 1 argument and at most 32 pairs')
local sale, token = KEYS[1], ARGV[1]

if redis.call('HGET', sale, 'rebuilt') == token then
  return 1
end
if redis.call('HGET', sale, 'rebuild') ~= token or redis.call('EXISTS', unpack(KEYS, 2)) < #KEYS - 1 then
  return 0
end
-- Refusal leases may not have expired yet (grant_refusal_lease.lua), and what is in the index stands for a retirement.
local kept = redis.call('HMGET', sale, 'sold_out_until', 'retirements')
redis.call('DEL', sale)
redis.call('HSET', sale, 'rebuilt', token, unpack(ARGV, 2))
for i, field in ipairs({ 'sold_out_until', 'retirements' }) do
  if kept[i] then
    redis.call('HSET', sale, field, kept[i])
  end
end
return 1
