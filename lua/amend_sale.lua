-- Changes the terms of a sale that nobody has ordered from, and whose queue has not started and has nobody in it. It counts at once,
-- before its event is on Kafka: it neither makes nor takes room.
-- The time in the order ids and in KEYS[2] stays: the field `id_time` keeps it when the opening time changes.
--
-- Safe to run twice: the second run finds the terms.
-- crates/gate/src/scripts.rs puts refuse_change.lua and optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
--       3 terms, JSON, from which the caller starts
--       4 the new terms, JSON
--       5 opening time as it was asked for, Unix ms; '': now
--       6 closing time, Unix ms; '': never
--       7 units per user; '': no limit
--       8 limits of the rate (limit_rate.lua); '': none
--       9 holds, as the field `hold` has them; '': none
--       10 queue, as the field `queue` has it; '': none. An amendment neither adds nor removes holds or a queue: the keys of a
--          sale stay
-- Returns one of
--   {'amended', record, n}  the sale has the new terms; the record of the amendment, and n = 1 while its entry is in the outbox
--   {'unknown'}             Redis has no such sale
--   {'not_open'}            its opening is not on Kafka yet
--   {'closed'}
--   {'ordered'}             somebody has ordered or joined the queue, the queue has started, or somebody may have ordered before
--                           Redis lost data
--   {'waiting'}             the event of an earlier change is not on Kafka yet
--   {'overtaken'}           the sale has other terms than ARGV[3]: another call has amended it
--   {'behind'}              Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}                a key of the sale is missing: Redis has evicted it, or somebody has deleted it
assert(#ARGV == 10 and #KEYS == 4 + (ARGV[9] == '' and 0 or 1) + (ARGV[10] == '' and 0 or 2),
  'amend_sale.lua takes 4 keys, with holds 1 more and with a queue 2, and 10 arguments')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local old_terms, terms, asked_opens_at, closes_at, user_limit, limits, hold, queue = unpack(ARGV, 3)
local queue_state, joined = queue_keys()

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'closes_at', 'terms', 'opens_at', 'asked_opens_at',
  'id_time', 'amended', 'total', 'remaining')
local known_terms, opened_at, amended = facts[5], facts[6], facts[9]
if known_terms == terms and amended and facts[1] ~= 'rebuilding' then
  local record = redis.call('HGET', orders, 'amend:' .. amended)
  if not record then
    return { 'lost' }
  end
  return { 'amended', record, #redis.call('XRANGE', outbox, amended, amended) }
end
local refused, now_ms = refuse_change(facts, ARGV[1], ARGV[2], unpack(KEYS, 2))
if refused then
  return { refused }
end

-- The orders hash has its placeholder and a field of each order, restock, amendment and change of the queue. Each of these has a
-- number, and so has each cancel, and the start of the queue: if there are as many numbers as fields, nothing was cancelled and no
-- queue has started; if no unit is gone either, nothing was ordered. In a later epoch, orders may have been lost.
local seq = tonumber(facts[3])
if tonumber(facts[2]) > 1 or seq ~= redis.call('HLEN', orders) - 1 or facts[10] ~= facts[11] then
  return { 'ordered' }
end
-- People who have joined know the terms, too.
if joined and (redis.call('PFCOUNT', joined) > 0 or tonumber(redis.call('HGET', queue_state, 'late') or 0) > 0) then
  return { 'ordered' }
end
-- A sale that version 0.2 or earlier has opened has no terms to compare.
if known_terms and known_terms ~= old_terms then
  return { 'overtaken' }
end
if redis.call('XLEN', outbox) > 0 then
  return { 'waiting' }
end

local opens_at = asked_opens_at == '' and now_ms or asked_opens_at
if asked_opens_at == facts[7] then
  opens_at = opened_at
end
local sequence = string.format('%d', seq + 1)
local entry = facts[2] .. '-' .. sequence
local record = entry .. ' ' .. now_ms .. ' ' .. opens_at .. ' ' .. terms
redis.call('XADD', outbox, entry, 'amend', entry)
redis.call('HSET', orders, 'amend:' .. entry, record)
redis.call('HSET', sale, 'seq', sequence, 'amended', entry, 'terms', terms, 'id_time', facts[8] or opened_at,
  'opens_at', opens_at, 'asked_opens_at', asked_opens_at, 'closes_at', closes_at, 'user_limit', user_limit)
if limits == '' then
  redis.call('HDEL', sale, 'limits')
else
  redis.call('HSET', sale, 'limits', limits)
end
if hold ~= '' then
  redis.call('HSET', sale, 'hold', hold)
end
if queue ~= '' then
  redis.call('HSET', sale, 'queue', queue)
end
return { 'amended', record, 1 }
