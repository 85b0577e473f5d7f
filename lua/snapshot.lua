-- Reads the counters of a sale for an audit, and which changes in its outbox they do not contain yet: both at one moment.
-- The caller has read the outbox before, in pages (read_outbox.lua). This call checks again which of the changes it found
-- still wait, and reads what came since. Entries of orders and completions, which count at once, need no check: what has left
-- the outbox is on Kafka, where the audit looks next.
--
-- Safe to run twice: it writes nothing.
-- crates/gate/src/scripts.rs puts needs_users.lua and optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 number of the last event that the caller has read, '0-0' for none
--       2 limit of entries since then, at most 500
--       then at most 500 ids of other entries: the changes that the caller has found
-- Returns one of
--   {}        Redis has no such sale
--   {'more'}  more than ARGV[2] entries came since ARGV[1]: read them in pages first
--   {state, epoch, seq, total, remaining, waiting, changes, orders, lost, terms, completed, holds, started, changed}
--     waiting  number of entries in the outbox
--     changes  ids of the entries in the outbox that are neither orders nor completions
--     orders   number of orders and completions since ARGV[1]
--     lost     1 if Redis lacks a key of the sale, else 0
--     terms    JSON; '': opened by version 0.2 or earlier
--     completed  units of orders that are paid; holds  number of orders that wait for their payment
--     started, changed  the fields `queue_started` and `queue_changed` of the sale hash; '': there is none
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV >= 2 and #ARGV <= 502 and tonumber(ARGV[2]) <= 500,
  'snapshot.lua takes 4 to 7 keys, 2 arguments and at most 500 ids')
local sale, orders, outbox, users, holds, limit = KEYS[1], KEYS[2], KEYS[3], KEYS[4], holds_key(), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'total', 'remaining', 'user_limit', 'limits', 'terms',
  'hold', 'completed', 'queue_started',
  'queue_changed')
if not facts[1] then
  return {}
end
local since = redis.call('XRANGE', outbox, '(' .. ARGV[1], '+', 'COUNT', limit + 1)
if #since > limit then
  return { 'more' }
end

local changes, orders_since = {}, 0
for i = 3, #ARGV do
  if #redis.call('XRANGE', outbox, ARGV[i], ARGV[i]) > 0 then
    changes[#changes + 1] = ARGV[i]
  end
end
for _, entry in ipairs(since) do
  local kind = entry[2][1]
  if kind == 'order' or kind == 'complete' then
    orders_since = orders_since + 1
  elseif kind == 'orders' then
    -- Ids of 36 characters, separated by one space.
    orders_since = orders_since + (#entry[2][2] + 1) / 37
  else
    changes[#changes + 1] = entry[1]
  end
end
local is_whole = redis.call('EXISTS', orders, outbox) == 2
  and (not needs_users(facts[6], facts[7], facts[9]) or redis.call('EXISTS', users) == 1)
  and has_optional_keys()
return { facts[1], tonumber(facts[2] or 0), tonumber(facts[3] or 0), tonumber(facts[4] or 0),
  tonumber(facts[5] or 0), redis.call('XLEN', outbox), changes, orders_since, is_whole and 0 or 1, facts[8] or '',
  tonumber(facts[10] or 0), holds and math.max(0, redis.call('ZCARD', holds) - 1) or 0,
  facts[11] or '', facts[12] or '' }
