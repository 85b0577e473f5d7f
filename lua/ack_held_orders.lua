-- Acknowledges events that make no room, of a sale with holds: adds each order to the holds, which can expire from now on, and
-- removes the outbox entries, after Kafka has acknowledged the events. An order that has ended or is paid gets no hold.
-- crates/gate/src/scripts.rs puts find_entry.lua, event_name.lua and ack_lists.lua before this text.
--
-- Safe to run twice: the second run writes the same holds, and finds the entries gone, or the marks set.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash  5 holds
-- ARGV  the lengths of three lists, then the lists, as ack_orders.lua takes them; together they have at most 512 events
-- Returns how many entries this call removed; 0 if a key of the sale is missing: then the entries stay
assert(#KEYS == 5 and #ARGV >= 3 and #ARGV <= 3 + 512, 'ack_held_orders.lua takes 5 keys and at most 515 arguments')
local sale, orders, outbox, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
local single, shared, events = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local hold = call('HGET', sale, 'hold')
if not hold or call('EXISTS', orders, holds) < 2 then
  return 0
end
local hold_ms = tonumber(string.match(hold, '^%d+'))

-- The ids of the orders that are acknowledged.
local ids = {}

-- Adds the orders of an entry; of a shared one only that at `place`, if it is given.
local function add_orders(entry_id, place)
  local entry = call('XRANGE', outbox, entry_id, entry_id)[1]
  local kind, subject = entry and entry[2][1], entry and entry[2][2]
  if kind == 'order' then
    ids[#ids + 1] = subject
  elseif kind == 'orders' then
    for at = place or 1, place or (#subject + 1) / 37 do
      ids[#ids + 1] = string.sub(subject, 37 * at - 36, 37 * at - 1)
    end
  end
end

for n = 4, 3 + single + shared do
  add_orders(ARGV[n])
end
for n = 4 + single + shared, 3 + single + shared + events do
  local entry_id, place = find_event(outbox, ARGV[n])
  if entry_id then
    add_orders(entry_id, place)
  end
end
assert(#ids <= 512, 'ack_held_orders.lua acknowledges at most 512 orders')

-- By the time of placing: orders of one entry have the same.
local score_of = {}
local scores = {}
for n, record in ipairs(#ids > 0 and call('HMGET', orders, unpack(ids)) or {}) do
  -- Only the record of an order that has neither ended nor been paid begins with its number alone.
  local placed_ms = record and string.match(record, '^%d+%-%d+ (%d+) ')
  if placed_ms then
    local score = score_of[placed_ms] or string.format('%d', placed_ms + hold_ms)
    score_of[placed_ms] = score
    scores[#scores + 1], scores[#scores + 2] = score, ids[n]
  end
end
if #scores > 0 then
  call('ZADD', holds, unpack(scores))
end
return ack_lists(sale, outbox, 3, single, shared, events)
