-- Takes units for orders of several sales: runs reserve.lua for each, in the order given. Sales of a Cluster share a call
-- only if their keys have the same hash tag.
-- crates/gate/src/scripts.rs puts run_alone.lua and one of the two scripts of reserve.lua before this text, as the function
-- reserve(KEYS, ARGV). If one sale of the call needs `reserve_limited`, all go through it.
--
-- Safe to run twice, as reserve.lua is. If reserve.lua fails for one sale, the others do not notice.
--
-- KEYS  the four keys of each sale, as reserve.lua takes them
-- ARGV  for each sale: the number of its arguments, then the arguments of reserve.lua. At most 64 orders in all
-- Returns for each sale what reserve.lua returns, or {text} of its error
assert(#KEYS % 4 == 0 and #ARGV <= 7 * #KEYS / 4 + 2 * 64,
  'reserve_sales.lua takes 4 keys and 7 arguments per sale, and 2 per order, for at most 64 orders')
local replies, at = {}, 1
for n = 1, #KEYS / 4 do
  local last = at + tonumber(ARGV[at])
  local reply, failed = run_alone(reserve, { unpack(KEYS, 4 * n - 3, 4 * n) }, { unpack(ARGV, at + 1, last) })
  if failed then
    return failed
  end
  replies[n], at = reply, last + 1
end
return replies
