-- Acknowledges one outbox entry that makes room: removes it, after Kafka has acknowledged its event, and applies
-- its effect if and only if this call removed it. So the effect counts once, however often the event
-- was published.
-- Entries that take room (orders, closings) have no effect left: ack_orders.lua acknowledges many of them.
--
-- Safe to run twice: the second run finds no entry.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 entry id
-- Returns 1 if this call removed the entry and applied its effect; 0 if there is no such entry; -1 if the effect cannot be
-- applied because a key or a record of the sale is missing: then the entry stays
assert(#KEYS == 4 and #ARGV == 1, 'ack_outbox.lua takes 4 keys and 1 argument')
local sale, orders, outbox, users, entry = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]

local found = redis.call('XRANGE', outbox, entry, entry)[1]
if not found then
  return 0
end
local kind, subject = found[2][1], found[2][2]

-- Each returns whether it is applied. A missing key must not come back without what it held.
local effects = {}

function effects.opens()
  -- A sale that was closed before this call stays closed.
  if redis.call('HGET', sale, 'state') == 'opening' then
    redis.call('HSET', sale, 'state', 'open')
  end
  return true
end

function effects.cancel()
  local record = redis.call('HGET', orders, subject)
  local user_limit = redis.call('HGET', sale, 'user_limit')
  if not record or not user_limit or (user_limit ~= '' and redis.call('EXISTS', users) == 0) then
    return false
  end
  local quantity, user = string.match(record, '^%S+ %d+ (%d+) (.*)$')
  redis.call('HINCRBY', sale, 'remaining', quantity)
  if user_limit ~= '' then
    redis.call('HINCRBY', users, user, '-' .. quantity)
  end
  return true
end

function effects.restock()
  local noted = redis.call('HGET', orders, 'restock:' .. subject)
  if not noted or redis.call('EXISTS', sale) == 0 then
    return false
  end
  local units = string.match(noted, '^%S+ %d+ (%d+)$')
  redis.call('HINCRBY', sale, 'remaining', units)
  redis.call('HINCRBY', sale, 'total', units)
  return true
end

local effect = effects[kind]
if not effect then
  return redis.error_reply('ack_outbox.lua: an entry of kind ' .. kind .. ' has no effect to apply')
end
if not effect() then
  return -1
end
return redis.call('XDEL', outbox, entry)
