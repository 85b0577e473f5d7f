-- Acknowledges events that make no room, of several sales without holds: removes their outbox entries, after Kafka has
-- acknowledged the events. They have no effect left to apply; those that make room go through ack_outbox.lua, and those of a
-- sale with holds through ack_held_orders.lua. Sales of a Cluster share a call only if their keys have the same hash tag.
-- crates/gate/src/scripts.rs puts find_entry.lua, event_name.lua, run_alone.lua and ack_lists.lua before this text.
--
-- Safe to run twice: the second run finds the entries gone, or the marks set. If the call fails for one sale, the others do not
-- notice.
--
-- KEYS  of each sale: its sale hash and its outbox stream
-- ARGV  of each sale: the lengths of three lists, then the lists, with at most 512 elements of all sales:
--         ids of entries that hold one event
--         ids of shared entries of which all orders are acknowledged
--         events, whatever entries they are in: their numbers, each with or without its name, as event_name.lua
--         describes them; with it, another event that has the number stays
-- Returns for each sale how many entries this call removed, or {text} of its error
assert(#KEYS % 2 == 0 and #ARGV <= 3 * #KEYS / 2 + 512,
  'ack_orders.lua takes 2 keys and 3 arguments per sale, and 1 per acknowledgement, at most 512')
local replies, at = {}, 0
for n = 1, #KEYS / 2 do
  local single, shared, events = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 3
  local reply, failed = run_alone(ack_lists, KEYS[2 * n - 1], KEYS[2 * n], at, single, shared, events)
  if failed then
    return failed
  end
  replies[n], at = reply, at + single + shared + events
end
return replies
