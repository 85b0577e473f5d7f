-- Says which holds have ended, and whether orders may expire now. The instance that expires orders calls it before each page.
--
-- A payment may have been waiting while nobody could note it. So if the latest call was more than ten seconds ago, nothing
-- expires for the time of one grace. And nothing expires by a clock that was set wrong: the caller's must agree.
--
-- Safe to run twice: it notes only when it ran.
--
-- KEYS  1 sale hash  2 holds
-- ARGV  1 the caller's clock, Unix ms
--       2 how many of the holds that ended first are not to be named: the caller has found that their orders must not expire
-- Returns one of
--   {'gone'}                      Redis has no such sale, it has no holds, or it is being rebuilt
--   {'lost'}                      the holds are missing: Redis has evicted them, or somebody has deleted them
--   {'clock', now_ms}             Redis's clock and the caller's differ by more than five seconds
--   {'paused', resumes_ms}        nothing expires before this time
--   {'due', cutoff_ms, first_ms, id, ...}  the holds that ended at cutoff_ms or before have no grace left: the orders of the first
--                                 ones, at most 100; the first of these ended at first_ms (0: there is none)
assert(#KEYS == 2 and #ARGV == 2, 'watch_holds.lua takes 2 keys and 2 arguments')
local INTERRUPTION_MS, CLOCKS_DIFFER_MS = 10000, 5000
local sale, holds = KEYS[1], KEYS[2]

local facts = redis.call('HMGET', sale, 'state', 'hold', 'expiry')
if not facts[2] or facts[1] == 'rebuilding' then
  return { 'gone' }
end
if redis.call('EXISTS', holds) == 0 then
  return { 'lost' }
end
local grace_ms = tonumber(string.match(facts[2], '^%d+ (%d+)'))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if math.abs(now - ARGV[1]) > CLOCKS_DIFFER_MS then
  return { 'clock', now }
end

local ran_at, resumes_at = string.match(facts[3] or '0 0', '^(%d+) (%d+)$')
ran_at, resumes_at = tonumber(ran_at), tonumber(resumes_at)
-- Times that are still to come are from before the clock was set back.
if now - ran_at > INTERRUPTION_MS or ran_at > now or resumes_at - now > grace_ms then
  resumes_at = now + grace_ms
end
redis.call('HSET', sale, 'expiry', string.format('%d %d', now, resumes_at))
if now < resumes_at then
  return { 'paused', resumes_at }
end
local cutoff = now - grace_ms
local ids = redis.call('ZRANGEBYSCORE', holds, '-inf', cutoff, 'LIMIT', ARGV[2], 100)
local first = ids[1] and redis.call('ZSCORE', holds, ids[1])
return { 'due', cutoff, tonumber(first or 0), unpack(ids) }
