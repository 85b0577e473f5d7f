-- Acknowledges outbox entries that make room: removes each, after Kafka has acknowledged its event, and applies its effect
-- if and only if this call removed it. So the effect counts once, however often the event was published.
-- The others have no effect left: ack_orders.lua and, in a sale with holds, ack_held_orders.lua acknowledge them.
--
-- Safe to run twice: the second run finds no entry.
-- crates/gate/src/scripts.rs puts needs_users.lua and event_name.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and in a sale with holds  5 holds
-- ARGV  at most 128 entry ids, each with or without the name of its event, as event_name.lua describes them; with it, another
--       event that has the id stays
-- Returns for each entry 1 if this call removed it and applied its effect; 0 if there is no such entry; -1 if the effect
-- cannot be applied because Redis has lost data: a key or a record of the sale is missing or damaged, or the entry is another
-- event's; then the entry stays
assert(#KEYS >= 4 and #KEYS <= 5 and #ARGV >= 1 and #ARGV <= 128, 'ack_outbox.lua takes 4 or 5 keys and at most 128 arguments')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- Each returns whether it is applied. A missing key must not come back without what it held.
local effects = {}

function effects.opens()
  -- A sale that was closed before this call stays closed.
  if redis.call('HGET', sale, 'state') == 'opening' then
    redis.call('HSET', sale, 'state', 'open')
  end
  return true
end

-- The fields of the sale that no effect changes, and whether a key is missing; read once, for the first order.
local user_limit, hold, is_lost
local function read_sale()
  local facts = redis.call('HMGET', sale, 'user_limit', 'hold')
  user_limit, hold = facts[1], facts[2]
  is_lost = not user_limit or (needs_users(user_limit, nil, hold) and redis.call('EXISTS', users) == 0)
end

-- Gives the units of an order back that was cancelled or has expired.
local function give_back(order_id, is_expiry)
  if is_lost == nil then
    read_sale()
  end
  local record = redis.call('HGET', orders, order_id)
  if is_lost or not record then
    return false
  end
  local marks, quantity, user = string.match(record, '^(%S+) %d+ (%d+) (.*)$')
  if not marks then
    return false
  end
  if not is_expiry and string.find(marks, '/expired:', 1, true) then
    -- It was cancelled after its expiry, which gives the units back.
    return true
  end
  redis.call('HINCRBY', sale, 'remaining', quantity)
  if user_limit ~= '' then
    redis.call('HINCRBY', users, user, '-' .. quantity)
  end
  if hold and (is_expiry or string.find(marks, '/buyer$')) then
    -- Its user has left it unpaid.
    redis.call('HINCRBY', users, '\1' .. user, 1)
  end
  if string.find(marks, '/completed:', 1, true) then
    redis.call('HINCRBY', sale, 'completed', '-' .. quantity)
  end
  return true
end

function effects.cancel(order_id)
  return give_back(order_id, false)
end

function effects.expire(order_id)
  return give_back(order_id, true)
end

function effects.restock(restock_id)
  local noted = redis.call('HGET', orders, 'restock:' .. restock_id)
  if not noted or redis.call('EXISTS', sale) == 0 then
    return false
  end
  local units = string.match(noted, '^%S+ %d+ (%d+)$')
  redis.call('HINCRBY', sale, 'remaining', units)
  redis.call('HINCRBY', sale, 'total', units)
  return true
end

local replies = {}
for n, event in ipairs(ARGV) do
  local id, name = parse_event(event)
  local entry = redis.call('XRANGE', outbox, id, id)[1]
  if not entry then
    replies[n] = 0
  else
    local kind, subject = entry[2][1], entry[2][2]
    local effect = effects[kind]
    if not has_name(kind, subject, name) then
      replies[n] = -1
    elseif not effect then
      return redis.error_reply('ack_outbox.lua: an entry of kind ' .. kind .. ' has no effect to apply')
    else
      replies[n] = effect(subject) and redis.call('XDEL', outbox, id) or -1
    end
  end
end
return replies
