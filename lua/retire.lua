-- Lets the keys of a closed sale expire when its outbox is empty.
--
-- Safe to run twice: the second run sets the same expiry.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash
-- ARGV  1 how long to keep them after closing, ms
-- Returns 1 if the keys will expire (or are gone); 0 while the sale can sell, has outbox entries, or lacks a key: its
-- outbox may have had entries
assert(#KEYS == 4 and #ARGV == 1, 'retire.lua takes 4 keys and 1 argument')

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 1
end
local facts = redis.call('HMGET', KEYS[1], 'closes_at', 'closed', 'state', 'user_limit')
local closes_at = tonumber(facts[2] and string.match(facts[2], '%d+$') or facts[1])
if not closes_at or facts[3] == 'rebuilding' then
  return 0
end
if redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 or (facts[4] ~= '' and redis.call('EXISTS', KEYS[4]) == 0) then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < closes_at or redis.call('XLEN', KEYS[3]) > 0 then
  return 0
end
for i = 1, #KEYS do
  redis.call('PEXPIREAT', KEYS[i], closes_at + ARGV[1])
end
return 1
