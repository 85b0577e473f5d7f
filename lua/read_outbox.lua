-- Reads one page of the outbox, oldest entry first, with everything that is needed to publish the entries again.
--
-- Safe to run twice: it writes nothing.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 start of the page: '-', or '(' and the last entry id of the page before
--       2 end of the page: the highest entry id wanted
--       3 limit of entries on the page, at most 500
-- Returns {epoch, seq, waiting, state, total, remaining, oldest, entries, lost}
--   epoch, seq  the highest sequence number given out ({0, 0} without a sale)
--   waiting     number of entries in the outbox
--   state, total, remaining  from the sale hash ('', 0, 0 without a sale)
--   oldest      the first entry of the outbox, whatever the page is; empty if the outbox is
--   entries     {entry id, kind, subject, record} each: kind and subject as XADD wrote them, and the
--               record of the order or restock; '' if there is none, or if Redis has lost it
--   lost        1 if Redis has the sale and lacks one of its keys, else 0
assert(#KEYS == 4 and #ARGV == 3 and tonumber(ARGV[3]) <= 500,
  'read_outbox.lua takes 4 keys and 3 arguments, the last at most 500')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local numbers = redis.call('HMGET', sale, 'epoch', 'seq', 'state', 'total', 'remaining', 'user_limit')

local function read(from, to, most)
  local entries = {}
  for i, entry in ipairs(redis.call('XRANGE', outbox, from, to, 'COUNT', most)) do
    local id, kind, subject = entry[1], entry[2][1], entry[2][2]
    local field = ({ order = subject, cancel = subject, restock = 'restock:' .. subject })[kind]
    entries[i] = { id, kind, subject, field and redis.call('HGET', orders, field) or '' }
  end
  return entries
end

-- A sale that is being rebuilt may lack any of them; without a limit per user, no script reads the users.
local is_whole = not numbers[3] or numbers[3] == 'rebuilding' or redis.call('EXISTS', orders, outbox) == 2
  and (numbers[6] == '' or redis.call('EXISTS', users) == 1)

return { tonumber(numbers[1] or 0), tonumber(numbers[2] or 0), redis.call('XLEN', outbox),
  numbers[3] or '', tonumber(numbers[4] or 0), tonumber(numbers[5] or 0), read('-', '+', 1),
  read(ARGV[1], ARGV[2], ARGV[3]), is_whole and 0 or 1 }
