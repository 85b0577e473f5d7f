-- Retires a closed sale whose outbox is empty and whose holds have ended: its keys expire, and the relay stops looking at its
-- outbox. A change that comes later keeps the keys and puts the sale back into the index, under the number of this retirement
-- (cancel.lua). So the caller, who removes the sale from the index only now, must leave what was put there since.
--
-- Safe to run twice: the second run retires the sale again, under the next number.
-- crates/gate/src/scripts.rs puts needs_users.lua and optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 how long to keep them after closing, ms
-- Returns the number of this retirement, from 1: the caller removes what is in the index under lower numbers
--         0   the sale can sell, has outbox entries or holds, is being rebuilt, or lacks a key: its outbox may have had entries
--         -1  Redis has no such sale
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV == 1, 'retire.lua takes 4 to 7 keys and 1 argument')

if redis.call('EXISTS', KEYS[1]) == 0 then
  return -1
end
local facts = redis.call('HMGET', KEYS[1], 'closes_at', 'closed', 'state', 'user_limit', 'retirements',
  'limits', 'hold')
local closes_at = tonumber(facts[2] and string.match(facts[2], '%d+$') or facts[1])
if not closes_at or facts[3] == 'rebuilding' then
  return 0
end
local lacks_users = needs_users(facts[4], facts[6], facts[7]) and redis.call('EXISTS', KEYS[4]) == 0
if lacks_users or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 or not has_optional_keys() then
  return 0
end
-- With its placeholder alone, the set has no hold. A hold that has not ended can still be paid or given back.
local holds = holds_key()
if holds and redis.call('ZCARD', holds) ~= 1 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < closes_at or redis.call('XLEN', KEYS[3]) > 0 then
  return 0
end
local expires_at = closes_at + ARGV[1]
if expires_at <= now then
  -- Otherwise Redis would free them at once, and block.
  redis.call('UNLINK', unpack(KEYS))
  return tonumber(facts[5] or 0) + 1
end
-- The expiry first: Redis accepts it without memory, and then what follows.
for i = 2, #KEYS do
  redis.call('PEXPIREAT', KEYS[i], expires_at)
end
-- Closed also for a clock that is set back: nothing may be sold unseen by the relay.
redis.call('HSET', KEYS[1], 'state', 'closed')
local retirement = redis.call('HINCRBY', KEYS[1], 'retirements', 1)
redis.call('PEXPIREAT', KEYS[1], expires_at)
return retirement
