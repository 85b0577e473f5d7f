-- Grants a refusal lease: Redis sells nothing of this sale until the lease has expired. Meanwhile an instance
-- of the API refuses orders from memory, except the orders that exist.
--
-- A lease is granted only if nothing can be sold: no unit is left, or the sale is closed. Units that
-- return count at once, but reserve.lua sells none before the latest lease has expired. No lease is granted while
-- there are units, so they wait for less than the time of one lease.
--
-- Safe to run twice: the second run extends the lease a little.
--
-- KEYS  1 sale hash  2 orders hash
-- ARGV  1 opening time of the sale as the caller knows it, Unix ms
--       2 high-water mark: epoch     \ see reserve.lua
--       3 high-water mark: sequence  /
--       4 length of the lease, ms
--       5 the version of the orders that the caller has read, 'epoch-fields', or ''
-- Returns one of
--   {'sold_out'}, {'closed'}       the lease is granted, and no order was taken since ARGV[5]
--   {'orders_needed', number, n}   the caller must first read the n fields of the orders hash. `number` is the highest of the sale,
--                                  'epoch-seq'
--   {'denied'}                     orders can be taken, or Redis cannot decide
assert(#KEYS == 2 and #ARGV == 5, 'grant_refusal_lease.lua takes 2 keys and 5 arguments')
-- The longest lease, in ms; the same in reserve.lua.
local LEASE_MS_MAX = 2000
local sale, orders = KEYS[1], KEYS[2]
local mark_epoch, mark_seq = tonumber(ARGV[2]), tonumber(ARGV[3])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'remaining', 'opens_at', 'closes_at', 'sold_out_until')
local state, epoch, seq = facts[1], tonumber(facts[2]), tonumber(facts[3])
if (state ~= 'open' and state ~= 'closed') or facts[5] ~= ARGV[1] then
  return { 'denied' }
end
if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'denied' }
end
local time = redis.call('TIME')
local now, closes_at = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(facts[6])
local closed = state == 'closed' or (closes_at and now >= closes_at)
if not closed and (facts[4] ~= '0' or now < tonumber(facts[5])) then
  return { 'denied' }
end

-- An order adds a field, and no field is removed within an epoch: while there are as many, there is no new order. What becomes of
-- the orders, which are completed or expire one after the other, does not count.
local fields = redis.call('HLEN', orders)
if fields == 0 then
  -- Redis has lost the orders: their retries could not be told from new orders.
  return { 'denied' }
end
if facts[2] .. '-' .. fields ~= ARGV[5] then
  return { 'orders_needed', facts[2] .. '-' .. facts[3], fields }
end
if closed then
  -- Closed for good: no unit has to wait for the lease.
  return { 'closed' }
end
-- Redis's clock is truncated to milliseconds; the caller's, read before it asked, is not.
local leased_until = now + tonumber(ARGV[4]) + 1
local latest = tonumber(facts[7] or 0)
-- A later end is from before the clock was set back; reserve.lua ignores it.
if leased_until > latest or latest - now > LEASE_MS_MAX then
  redis.call('HSET', sale, 'sold_out_until', string.format('%d', leased_until))
end
return { 'sold_out' }
