-- Changes the terms of a sale that nobody has ordered from. It counts at once, before its event is on Kafka: it neither makes
-- nor takes room.
-- The time in the order ids and in KEYS[2] stays: the field `id_time` keeps it when the opening time changes.
--
-- Safe to run twice: the second run finds the terms.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
--       3 terms, JSON, from which the caller starts
--       4 the new terms, JSON
--       5 opening time as it was asked for, Unix ms; '': now
--       6 closing time, Unix ms; '': never
--       7 units per user; '': no limit
--       8 limits of the rate (limit_rate.lua); '': none
-- Returns one of
--   {'amended', record, n}  the sale has the new terms; the record of the amendment, and n = 1 while its entry is in the outbox
--   {'unknown'}             Redis has no such sale
--   {'not_open'}            its opening is not on Kafka yet
--   {'closed'}
--   {'ordered'}             somebody has ordered, or may have ordered before Redis lost data
--   {'waiting'}             the event of an earlier change is not on Kafka yet
--   {'overtaken'}           the sale has other terms than ARGV[3]: another call has amended it
--   {'behind'}              Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}                a key of the sale is missing: Redis has evicted it, or somebody has deleted it
assert(#KEYS == 4 and #ARGV == 8, 'amend_sale.lua takes 4 keys and 8 arguments')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local old_terms, terms, asked_opens_at, closes_at, user_limit, limits =
  ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local facts = redis.call('HMGET', sale, 'state', 'epoch', 'seq', 'terms', 'opens_at', 'closes_at', 'amended', 'id_time',
  'asked_opens_at', 'total', 'remaining')
local state, epoch, seq = facts[1], tonumber(facts[2]), tonumber(facts[3])
if not state then
  return { 'unknown' }
end
if state == 'rebuilding' then
  return { 'behind' }
end
if facts[4] == terms and facts[7] then
  local record = redis.call('HGET', orders, 'amend:' .. facts[7])
  if not record then
    return { 'lost' }
  end
  return { 'amended', record, #redis.call('XRANGE', outbox, facts[7], facts[7]) }
end
local mark_epoch, mark_seq = tonumber(ARGV[1]), tonumber(ARGV[2])
if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'behind' }
end
if redis.call('EXISTS', orders, outbox, users) < 3 then
  return { 'lost' }
end
local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local closed_at = tonumber(facts[6])
if state == 'closed' or (closed_at and tonumber(now_ms) >= closed_at) then
  return { 'closed' }
end
if state == 'opening' then
  return { 'not_open' }
end

-- The orders hash has its placeholder and a field of each order, restock and amendment. Each of these has a number, and so has
-- each cancel: if there are as many numbers as fields, nothing was cancelled; if no unit is gone either, nothing was ordered.
-- In a later epoch, orders may have been lost.
if epoch > 1 or seq ~= redis.call('HLEN', orders) - 1 or facts[10] ~= facts[11] then
  return { 'ordered' }
end
-- A sale that version 0.2 or earlier has opened has no terms to compare.
if facts[4] and facts[4] ~= old_terms then
  return { 'overtaken' }
end
if redis.call('XLEN', outbox) > 0 then
  return { 'waiting' }
end

local opens_at = asked_opens_at == '' and now_ms or asked_opens_at
if asked_opens_at == facts[9] then
  opens_at = facts[5]
end
local sequence = string.format('%d', seq + 1)
local entry = facts[2] .. '-' .. sequence
local record = entry .. ' ' .. now_ms .. ' ' .. opens_at .. ' ' .. terms
redis.call('XADD', outbox, entry, 'amend', entry)
redis.call('HSET', orders, 'amend:' .. entry, record)
redis.call('HSET', sale, 'seq', sequence, 'amended', entry, 'terms', terms, 'id_time', facts[8] or facts[5],
  'opens_at', opens_at, 'asked_opens_at', asked_opens_at, 'closes_at', closes_at, 'user_limit', user_limit)
if limits == '' then
  redis.call('HDEL', sale, 'limits')
else
  redis.call('HSET', sale, 'limits', limits)
end
return { 'amended', record, 1 }
