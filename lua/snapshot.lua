-- A sale and all that waits in its outbox at one moment, for an audit.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream
-- Returns {state, epoch, seq, total, remaining, entries}, nothing for a sale this Redis does not have
--   entries  as pending.lua returns them
assert(#KEYS == 3 and #ARGV == 0, 'snapshot.lua takes 3 keys and no argument')
local sale, orders, outbox = KEYS[1], KEYS[2], KEYS[3]

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'total', 'remaining')
if not facts[1] then
  return {}
end
local entries = {}
for i, entry in ipairs(redis.call('XRANGE', outbox, '-', '+')) do
  local id, kind, subject = entry[1], entry[2][1], entry[2][2]
  local field = ({ order = subject, cancel = subject, restock = 'restock:' .. subject })[kind]
  entries[i] = { id, kind, subject, field and redis.call('HGET', orders, field) or '' }
end
return { facts[1], tonumber(facts[2] or 0), tonumber(facts[3] or 0), tonumber(facts[4] or 0),
  tonumber(facts[5] or 0), entries }
