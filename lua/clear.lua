-- Removes one outbox entry that makes room, after Kafka has acknowledged its event, and applies the
-- entry's effect if and only if this very call removed it: however often an event was published and
-- cleared, its effect counts once.
-- Entries of orders have no effect (their units were taken before); a plain XDEL clears them in bulk.
--
-- KEYS  1 sale hash  2 outbox stream
-- ARGV  1 entry id
-- Returns 1 when this call removed the entry and applied its effect, else 0
assert(#KEYS == 2 and #ARGV == 1, 'clear.lua takes 2 keys and 1 argument')
local sale, outbox, entry = KEYS[1], KEYS[2], ARGV[1]

local found = redis.call('XRANGE', outbox, entry, entry)[1]
if not found then
  return 0
end
local kind = found[2][1]
if kind ~= 'opens' then
  return redis.error_reply('clear.lua: an entry of kind ' .. kind .. ' has no effect to apply')
end

local removed = redis.call('XDEL', outbox, entry)
if removed == 1 then
  redis.call('HSET', sale, 'state', 'open')
end
return removed
