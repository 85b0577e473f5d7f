-- Fills the keys of a stopped sale, a part per call: a million orders in one call would block Redis.
--
-- Safe to run twice: the second run writes the same.
-- crates/gate/src/scripts.rs puts optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 token of the rebuild
--       2 'empty', then the new epoch and the product id: empties all keys but the sale hash and those of the queue;
--         'orders' or 'users', then at most 500 pairs of field and value: adds them to that hash;
--         'holds', then at most 500 pairs of the end of a hold, Unix ms, and order id: adds them to the holds
-- Returns 1, or 0 if the sale was not stopped with this token, or the key was lost since it was emptied
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV >= 4 and #ARGV <= 1002 and #ARGV % 2 == 0,
  'restore.lua takes 4 to 7 keys, 2 arguments and at most 500 pairs')
local sale, orders, outbox, users, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], holds_key()

if redis.call('HGET', sale, 'rebuild') ~= ARGV[1] then
  return 0
end
if ARGV[2] == 'empty' then
  local epoch, product = ARGV[3], ARGV[4]
  redis.call('UNLINK', unpack(KEYS, 2, holds and 5 or 4))
  -- As after opening: all keys exist, even if they are empty.
  redis.call('HSET', orders, '', product)
  redis.call('HSET', users, '', 0)
  redis.call('XADD', outbox, epoch .. '-0', 'opens', product)
  redis.call('XDEL', outbox, epoch .. '-0')
  create_optional_keys()
  local queue, joined = queue_keys()
  if queue then
    -- How far a queue has come only grows, and who joined early is nowhere else. Its points count the orders of the hash that is
    -- gone, and the turn clock does not run over a rebuild.
    redis.call('HDEL', queue, 'points', 'paced_at_ms')
    redis.call('PERSIST', queue)
    redis.call('PERSIST', joined)
  end
elseif ARGV[2] == 'holds' then
  if redis.call('ZSCORE', holds, '') == false then
    return 0
  end
  redis.call('ZADD', holds, unpack(ARGV, 3))
else
  local hash = ({ orders = orders, users = users })[ARGV[2]]
  if redis.call('HEXISTS', hash, '') == 0 then
    return 0
  end
  redis.call('HSET', hash, unpack(ARGV, 3))
end
return 1
