-- Notes the cancel of one order, once. A cancel makes room, so it is on Kafka before it counts: this script
-- writes the cancel into the order record and into the outbox; ack_outbox.lua returns the units.
--
-- Safe to run twice: the second run finds the cancel in the record.
-- crates/gate/src/scripts.rs puts needs_users.lua and optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 order id
--       2 'buyer' if the buyer cancels it, '' if an admin call does
--       3 high-water mark: epoch     \ see reserve.lua
--       4 high-water mark: sequence  /
--       5 retirement of the sale under which the caller has put it into the index; '' if it has not
--       6 limit of outbox entries
-- Returns one of
--   {'marked', record, n}  the record has the cancel; n = 1 while the cancel's entry is in the outbox
--   {'expired'}            it was not paid in time: its units are given back, or will be
--   {'not_allowed'}        the buyer may not cancel it: it is paid, or the terms of the sale do not allow it
--   {'rejected'}           the order never had units: the ledger rejected it before the sale was rebuilt
--   {'unknown'}            Redis has no such order
--   {'behind'}             Redis is behind the high-water mark, or the sale is being rebuilt
--   {'lost'}               a key of the sale is missing: Redis has evicted it, or somebody has deleted it
--   {'full'}               the outbox is full
--   {'retired', n}         the sale is retired and not in the index under its retirement n: put it there, and call again
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV == 6, 'cancel.lua takes 4 to 7 keys and 6 arguments')
local sale, orders, outbox, users, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], holds_key()
local order_id, is_by_buyer, mark_epoch, mark_seq = ARGV[1], ARGV[2] == 'buyer', tonumber(ARGV[3]), tonumber(ARGV[4])

local record = redis.call('HGET', orders, order_id)
local numbers = redis.call('HMGET', sale, 'epoch', 'seq', 'state', 'user_limit', 'retirements', 'hold')
local epoch, seq = tonumber(numbers[1]), tonumber(numbers[2])
if numbers[3] == 'rebuilding' then
  return { 'behind' }
end
if not record or not epoch then
  return { 'unknown' }
end
local marked = string.match(record, '^%S*/(%d+%-%d+)/')
if marked then
  if #redis.call('XRANGE', outbox, marked, marked) == 0 then
    return { 'marked', record, 0 }
  end
else
  if string.find(record, '^%S*/rejected') then
    return { 'rejected' }
  end
  if string.find(record, '^%S*/expired:') then
    return { 'expired' }
  end
  local is_allowed = numbers[6] and string.find(numbers[6], ' 1$')
  if is_by_buyer and (not is_allowed or string.find(record, '^%S*/completed:')) then
    return { 'not_allowed' }
  end
  if epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
    return { 'behind' }
  end
  local lacks_users = needs_users(numbers[4], nil, numbers[6]) and redis.call('EXISTS', users) == 0
  if lacks_users or redis.call('EXISTS', outbox) == 0
    or (holds and redis.call('EXISTS', holds) == 0) then
    return { 'lost' }
  end
  if redis.call('XLEN', outbox) >= tonumber(ARGV[6]) then
    return { 'full' }
  end
end

-- An entry waits, or will. The keys of a retired sale expire, and the relay no longer looks there.
local retirement = redis.call('PTTL', sale) >= 0 and (numbers[5] or '0')
if retirement and retirement ~= ARGV[5] then
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
local number, rest = string.match(record, '^(%S+)(.*)$')
record = number .. '/' .. entry .. '/' .. now_ms .. (is_by_buyer and '/buyer' or '') .. rest
redis.call('XADD', outbox, entry, 'cancel', order_id)
redis.call('HSET', orders, order_id, record)
redis.call('HSET', sale, 'seq', sequence)
if holds then
  redis.call('ZREM', holds, order_id)
end
keep()
return { 'marked', record, 1 }
