-- One page of what waits in the outbox, oldest first, with all that is needed to publish it again.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream
-- ARGV  1 start of the page: '-', or '(' and the last entry id of the page before
--       2 end of the page: the highest entry id wanted
--       3 most entries on the page
-- Returns {epoch, seq, waiting, state, total, remaining, oldest, entries}
--   epoch, seq  the highest number given out so far ({0, 0} for a sale this Redis does not have)
--   waiting     how many entries the outbox holds
--   state, total, remaining  as the sale hash has them ('', 0, 0 for a sale this Redis does not have)
--   oldest      the outbox's first entry, whatever the page begins and ends with; empty where nothing waits
--   entries     {entry id, kind, subject, record} each: what XADD wrote as kind and subject, and the
--               order's or restock's record, '' where there is none or Redis has lost it
assert(#KEYS == 3 and #ARGV == 3, 'read_outbox.lua takes 3 keys and 3 arguments')
local sale, orders, outbox = KEYS[1], KEYS[2], KEYS[3]

local numbers = redis.call('HMGET', sale, 'epoch', 'seq', 'state', 'total', 'remaining')

local function read(from, to, most)
  local entries = {}
  for i, entry in ipairs(redis.call('XRANGE', outbox, from, to, 'COUNT', most)) do
    local id, kind, subject = entry[1], entry[2][1], entry[2][2]
    local field = ({ order = subject, cancel = subject, restock = 'restock:' .. subject })[kind]
    entries[i] = { id, kind, subject, field and redis.call('HGET', orders, field) or '' }
  end
  return entries
end

return { tonumber(numbers[1] or 0), tonumber(numbers[2] or 0), redis.call('XLEN', outbox),
  numbers[3] or '', tonumber(numbers[4] or 0), tonumber(numbers[5] or 0), read('-', '+', 1),
  read(ARGV[1], ARGV[2], ARGV[3]) }
