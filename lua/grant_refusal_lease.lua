-- Hangs out a sign: nothing is taken in this sale until the sign has run out. While it hangs, a copy
-- of the API turns away whoever is not among the orders that there are, without asking Redis.
--
-- It is hung only where nothing can be taken: everything is sold, or the sale is over. Units that
-- come back count at once, but reserve.lua sells none before the latest sign has run out; and none
-- is hung while there are any, so that they wait for less than one sign's time.
--
-- Sent twice, it hangs a little longer.
--
-- KEYS  1 sale hash  2 orders hash
-- ARGV  1 opening time the caller derived the order ids from, Unix ms
--       2 high-water mark: epoch     \ see reserve.lua
--       3 high-water mark: sequence  /
--       4 milliseconds that it shall hang
--       5 the number at which the caller began to read the orders, 'epoch-seq', or ''
-- Returns one of
--   {'sold_out'}, {'closed'}  it hangs, and no order was taken since ARGV[5]
--   {'orders_needed', number, n}       it would, once the caller has read the n fields of the orders hash
--   { 'denied' }                    orders can be taken here, or nobody can tell
assert(#KEYS == 2 and #ARGV == 5, 'grant_refusal_lease.lua takes 2 keys and 5 arguments')
-- The longest that a sign hangs; the same in reserve.lua.
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

-- Every order has a number: while it stands still, there is no order more.
local number = facts[2] .. '-' .. facts[3]
if number ~= ARGV[5] then
  return { 'orders_needed', number, redis.call('HLEN', orders) }
end
if closed then
  -- For good: nothing needs to wait for the sign.
  return { 'closed' }
end
-- This clock's milliseconds are cut off; the caller's, from before it asked, are not.
local leased_until = now + tonumber(ARGV[4]) + 1
local latest = tonumber(facts[7] or 0)
-- What lies further ahead is from before the clock was set back; reserve.lua does not believe it.
if leased_until > latest or latest - now > LEASE_MS_MAX then
  redis.call('HSET', sale, 'sold_out_until', string.format('%d', leased_until))
end
return { 'sold_out' }
