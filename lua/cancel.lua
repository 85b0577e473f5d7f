-- Notes the cancel of one order, once. A cancel makes room, so it is on Kafka before it counts: this script
-- writes the cancel into the order record and into the outbox; ack_outbox.lua returns the units.
--
-- Safe to run twice: the second run finds the cancel in the record.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 order id
--       2 high-water mark: epoch     \ see reserve.lua
--       3 high-water mark: sequence  /
--       4 retirement of the sale under which the caller has put it into the index; '' if it has not
--       5 limit of outbox entries
-- Returns one of
--   {'marked', record, n}  the record has the cancel; n = 1 while the cancel's entry is in the outbox
--   {'rejected'}           the order never had units: the ledger rejected it before the sale was rebuilt
--   {'unknown'}            Redis has no such order
--   {'behind'}             Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}               a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}               the outbox is full
--   {'retired', n}         the sale is retired and not in the index under its retirement n: put it there, and call again
assert(#KEYS == 4 and #ARGV == 5, 'cancel.lua takes 4 keys and 5 arguments')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local order_id, mark_epoch, mark_seq = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local record = redis.call('HGET', orders, order_id)
local numbers = redis.call('HMGET', sale, 'epoch', 'seq', 'state', 'user_limit', 'retirements')
local epoch, seq = tonumber(numbers[1]), tonumber(numbers[2])
if numbers[3] == 'rebuilding' then
  return { 'behind' }
end
if not record or not epoch then
  return { 'unknown' }
end
local marked = string.match(record, '/(%d+%-%d+)/')
if marked then
  if #redis.call('XRANGE', outbox, marked, marked) == 0 then
    return { 'marked', record, 0 }
  end
else
  if string.find(record, '^%S+/rejected ') then
    return { 'rejected' }
  end
  if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
    return { 'behind' }
  end
  if redis.call('EXISTS', outbox) == 0 or (numbers[4] ~= '' and redis.call('EXISTS', users) == 0) then
    return { 'lost' }
  end
  if redis.call('XLEN', outbox) >= tonumber(ARGV[5]) then
    return { 'full' }
  end
end

-- An entry waits, or will. The keys of a retired sale expire, and the relay no longer looks there.
local retirement = redis.call('PTTL', sale) >= 0 and (numbers[5] or '0')
if retirement and retirement ~= ARGV[4] then
  return { 'retired', tonumber(retirement) }
end
local function keep()
  for i = 1, retirement and #KEYS or 0 do
    redis.call('PERSIST', KEYS[i])
  end
end
if marked then
  keep()
  return { 'marked', record, 1 }
end

local time = redis.call('TIME')
local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
local sequence = string.format('%d', seq + 1)
local entry = numbers[1] .. '-' .. sequence
local number, rest = string.match(record, '^(%S+) (.*)$')
record = number .. '/' .. entry .. '/' .. now_ms .. ' ' .. rest
redis.call('XADD', outbox, entry, 'cancel', order_id)
redis.call('HSET', orders, order_id, record)
redis.call('HSET', sale, 'seq', sequence)
keep()
return { 'marked', record, 1 }
