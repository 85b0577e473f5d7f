-- How far a queue has come, as Redis and the caller together know it. crates/gate/src/scripts.rs puts this before join_queue.lua
-- and pace_queue.lua.
-- It only grows, and every call brings the highest that its instance has seen, so a Redis that has lost writes has them back with
-- the first call: nobody loses a place.
local read_queue
do
  -- Returns nil if the hash is lost. `seen`: late, served_below, served_late, clock_ms, joined, and 1 if the start is over.
  -- `started`: the field queue_started of the sale hash, or false.
  function read_queue(queue, seen, started)
    local fields = redis.call('HMGET', queue, '', 'late', 'served_below', 'served_late', 'clock_ms', 'joined')
    if not fields[1] then
      return nil
    end
    local function higher(n)
      return math.max((fields[n + 1] or 0) + 0, seen[n] + 0)
    end
    local served_late = higher(3)
    local joined = started and string.match(started, '%d+$') or 0
    return {
      -- A number may have been given that a lost write has taken back.
      late = math.max(higher(1), served_late),
      served_below = higher(2),
      served_late = served_late,
      clock_ms = higher(4),
      -- How many joined before the start. The queue hash has the field once an instance has brought it, or the queue has started.
      joined = math.max(higher(5), joined + 0),
      is_started = started or fields[6] or seen[6] == '1',
    }
  end
end
