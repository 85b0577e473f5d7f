-- Says why a sale takes no change of its terms or units. No script of its own: crates/gate/src/scripts.rs puts it before the
-- scripts that use it.
--
-- The scripts begin the facts that they read with these, in this order: state, epoch, seq, closes_at.

-- Returns a verdict, or nil and the time in Unix ms, as text. The verdicts:
--   'unknown'   Redis has no such sale
--   'behind'    Redis is behind the high-water mark, or the sale is being rebuilt
--   'lost'      one of the further keys is missing: Redis has evicted it, or somebody has deleted it
--   'closed'
--   'not_open'  its opening is not on Kafka yet
local function refuse_change(facts, mark_epoch, mark_seq, ...)
  local state, epoch, seq, closes_at = facts[1], tonumber(facts[2]), tonumber(facts[3]), tonumber(facts[4])
  if not state then
    return 'unknown'
  end
  mark_epoch, mark_seq = tonumber(mark_epoch), tonumber(mark_seq)
  if state == 'rebuilding' or epoch < mark_epoch or (epoch == mark_epoch and seq < mark_seq) then
    return 'behind'
  end
  if redis.call('EXISTS', ...) < select('#', ...) then
    return 'lost'
  end
  local time = redis.call('TIME')
  local now_ms = string.format('%d%03d', time[1], time[2] / 1000)
  if state == 'closed' or (closes_at and tonumber(now_ms) >= closes_at) then
    return 'closed'
  end
  if state == 'opening' then
    return 'not_open'
  end
  return nil, now_ms
end
