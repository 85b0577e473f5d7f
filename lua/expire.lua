-- Notes that orders were not paid in time, each once. An expiry makes room, as a cancel does: this script writes it into the
-- order's record and into the outbox, and ack_outbox.lua returns the units when Kafka has the event.
--
-- Safe to run twice: the second run no longer finds these orders among the holds; their entries wait in the outbox.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash  5 holds
-- ARGV  1 high-water mark: epoch     \ see reserve.lua
--       2 high-water mark: sequence  /
--       3 the latest end of a hold that expires, Unix ms (watch_holds.lua)
--       4 limit of outbox entries
--       then the ids of at most 100 orders, in the order in which their holds end
-- Returns one of
--   {'expired', id, record, ...}  these orders, with their records; not those whose holds have ended otherwise meanwhile
--   {'unknown'}                   Redis has no such sale
--   {'behind'}                    Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}                      a key or a record of the sale is missing or damaged: Redis has evicted it, or somebody has deleted it
--   {'full'}                      the outbox is full
assert(#KEYS == 5 and #ARGV >= 5 and #ARGV <= 104, 'expire.lua takes 5 keys, 4 arguments and at most 100 ids')
local sale, orders, outbox, users, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mark_epoch, mark_seq = tonumber(ARGV[1]), tonumber(ARGV[2])

local facts = redis.call('HMGET', sale, 'epoch', 'seq', 'state')
local epoch, seq = tonumber(facts[1]), tonumber(facts[2])
if not epoch then
  return { 'unknown' }
end
if facts[3] == 'rebuilding' or epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
  return { 'behind' }
end
if redis.call('EXISTS', orders, outbox, users, holds) < 4 then
  return { 'lost' }
end
local cutoff, room = tonumber(ARGV[3]), ARGV[4] - redis.call('XLEN', outbox)
if room <= 0 then
  return { 'full' }
end
local ids = { unpack(ARGV, 5) }
local ends, records = redis.call('ZMSCORE', holds, unpack(ids)), redis.call('HMGET', orders, unpack(ids))
for n = 1, #ids do
  if ends[n] and not string.find(records[n] or '', '^%d+%-%d+[ /]') then
    return { 'lost' }
  end
end

local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local reply, fields, ended = { 'expired' }, {}, {}
for n, id in ipairs(ids) do
  if ends[n] and tonumber(ends[n]) <= cutoff and #ended < room then
    ended[#ended + 1] = id
    local number, rest = string.match(records[n], '^(%d+%-%d+)( .*)$')
    -- Another record says already what became of its order.
    if number then
      seq = seq + 1
      local entry = facts[1] .. '-' .. string.format('%d', seq)
      local record = number .. '/expired:' .. entry .. ':' .. now_ms .. rest
      redis.call('XADD', outbox, entry, 'expire', id)
      fields[#fields + 1], fields[#fields + 2] = id, record
      reply[#reply + 1], reply[#reply + 2] = id, record
    end
  end
end
if #fields > 0 then
  redis.call('HSET', orders, unpack(fields))
  redis.call('HSET', sale, 'seq', string.format('%d', seq))
end
if #ended > 0 then
  redis.call('ZREM', holds, unpack(ended))
end
return reply
