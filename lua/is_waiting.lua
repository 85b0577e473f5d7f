-- Whether an event waits in the outbox.
-- crates/gate/src/scripts.rs puts find_entry.lua before this text.
--
-- Safe to run twice: it writes nothing.
--
-- KEYS  1 sale hash  2 outbox stream
-- ARGV  1 number of the event
-- Returns 1 or 0
assert(#KEYS == 2 and #ARGV == 1, 'is_waiting.lua takes 2 keys and 1 argument')

return is_waiting(KEYS[1], KEYS[2], ARGV[1]) and 1 or 0
