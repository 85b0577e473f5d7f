-- A sale at one moment, for an audit, with those outbox entries whose effect is not counted yet.
-- Entries of orders are left out: there may be a hundred thousand, and read_outbox.lua reads them by
-- page; until then they can only have gone where the audit looks next.
-- Writes nothing.
--
-- KEYS  1 sale hash  2 outbox stream
-- Returns {state, epoch, seq, total, remaining, waiting, entries}, nothing for a sale this Redis does
-- not have
--   waiting  how many entries the outbox holds
--   entries  their ids
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
