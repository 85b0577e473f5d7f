-- Finds orders that would never expire: nothing has become of them, they have left the outbox, and they are not among the holds.
-- An audit asks for the orders that are confirmed in PostgreSQL.
-- crates/gate/src/scripts.rs puts find_entry.lua before this text.
--
-- Safe to run twice: it writes nothing.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash  5 holds
-- ARGV  at most 500 order ids
-- Returns those of these orders; none of a sale that is being rebuilt
assert(#KEYS == 5 and #ARGV >= 1 and #ARGV <= 500, 'find_unheld.lua takes 5 keys and at most 500 arguments')
local sale, orders, outbox, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[5]

local unheld = {}
if redis.call('HGET', sale, 'state') == 'rebuilding' then
  return unheld
end
for _, id in ipairs(ARGV) do
  if not redis.call('ZSCORE', holds, id) then
    -- Only the record of an order that has neither ended nor been paid begins with its number alone.
    local number = string.match(redis.call('HGET', orders, id) or '', '^(%d+%-%d+) ')
    if number and not is_waiting(sale, outbox, number) then
      unheld[#unheld + 1] = id
    end
  end
end
return unheld
