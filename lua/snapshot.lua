-- Reads a sale at one moment, for an audit, with the outbox entries whose effect does not count yet.
-- Entries of orders are left out, because there can be a hundred thousand: read_outbox.lua reads them in
-- pages. Until then they can only move to where the audit looks next.
--
-- Safe to run twice: it writes nothing.
--
-- KEYS  1 sale hash  2 outbox stream
-- Returns {state, epoch, seq, total, remaining, waiting, entries}, or {} if Redis has no such sale
--   waiting  number of entries in the outbox
--   entries  their ids, without those of orders
assert(#KEYS == 2 and #ARGV == 0, 'snapshot.lua takes 2 keys and no argument')
local sale, outbox = KEYS[1], KEYS[2]

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'total', 'remaining')
if not facts[1] then
  return {}
end
local entries = {}
for _, entry in ipairs(redis.call('XRANGE', outbox, '-', '+')) do
  if entry[2][1] ~= 'order' then
    entries[#entries + 1] = entry[1]
  end
end
return { facts[1], tonumber(facts[2] or 0), tonumber(facts[3] or 0), tonumber(facts[4] or 0),
  tonumber(facts[5] or 0), redis.call('XLEN', outbox), entries }
