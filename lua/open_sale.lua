-- Claims a sale: the first caller gets it. Every later caller reads its terms, and compares.
-- An opening makes room, so the sale takes no orders yet: its opening waits in the outbox, and ack_outbox.lua opens
-- the sale when that event is on Kafka.
--
-- Safe to run twice: the second run answers 'exists'.
-- crates/gate/src/scripts.rs puts optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 product id
--       2 total units
--       3 opening time, Unix ms (also part of KEYS[2])
--       4 opening time as it was asked for, Unix ms; '': now
--       5 closing time, Unix ms; '': never
--       6 units per user; '': no limit
--       7 Kafka partition
--       8 terms, JSON: all that was asked for
--       9 limits of the rate (limit_rate.lua); '': none
--       10 holds, as the field `hold` has them; '': none
--       11 queue, as the field `queue` has it; '': none
-- Returns one of
--   'claimed'     the sale is new, and the caller has to publish its opening
--   'exists'      there is a sale of this product, published or not, on these or other terms
--   'rebuilding'  there is one, and it is being rebuilt
--   'taken'       another sale with the same tag opened in this millisecond: try the next one
assert(#ARGV == 11 and #KEYS == 4 + (ARGV[10] == '' and 0 or 1) + (ARGV[11] == '' and 0 or 2),
  'open_sale.lua takes 4 keys, with holds 1 more and with a queue 2, and 11 arguments')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local product, total, opens_at, asked_opens_at, closes_at, user_limit, partition, terms, limits, hold, queue = unpack(ARGV)

local state = redis.call('HGET', sale, 'state')
if state then
  return state == 'rebuilding' and 'rebuilding' or 'exists'
end

-- An order id names its sale by tag and opening time alone, so no two sales can share both.
local owner = redis.call('HGET', orders, '')
if owner and owner ~= product then
  return 'taken'
end

-- The empty field keeps both hashes in existence, as create_optional_keys does those of the others.
redis.call('XADD', outbox, '1-0', 'opens', product)
redis.call('HSET', orders, '', product)
redis.call('HSET', users, '', 0)
redis.call('HSET', sale,
  'state', 'opening', 'epoch', 1, 'seq', 0, 'opened_total', total, 'planned_total', total,
  'total', total, 'remaining', total,
  'opens_at', opens_at, 'asked_opens_at', asked_opens_at, 'closes_at', closes_at,
  'user_limit', user_limit, 'partition', partition, 'terms', terms)
if limits ~= '' then
  redis.call('HSET', sale, 'limits', limits)
end
create_optional_keys()
if hold ~= '' then
  redis.call('HSET', sale, 'hold', hold, 'completed', 0)
end
if queue ~= '' then
  redis.call('HSET', sale, 'queue', queue)
end
return 'claimed'
