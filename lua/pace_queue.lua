-- Serves the queue of a sale: moves how far it is served by the time that has passed, and returns its state. Each instance that
-- was asked for the queue calls this several times a second; it does not matter how many do, or how often.
-- crates/gate/src/scripts.rs puts read_queue.lua before this text.
--
-- The turn clock runs only here, by at most a second per call, and only while orders can be placed, so no turn is used up while
-- they cannot; it stops while the queue is paused and while orders need no turns. How far the queue is served moves by the
-- admission rate times the time that the turn clock moved: people who joined before the start first, and no more than `overbook`
-- people for each unit that remains.
--
-- The first call after the start freezes how many have joined. That is a change of the sale: it takes the next number, gets an
-- outbox entry, and counts at once, because it neither makes nor takes room. While the outbox is full the queue waits to start.
-- If Redis has lost the start, it is written again, under another number, with what the instances have seen.
--
-- Safe to run twice: the second run finds the time of the first, and the start.
--
-- KEYS  1 sale hash  2 queue hash  3 who joined before the start (HyperLogLog)  4 orders hash  5 outbox stream
-- ARGV  1 opening time of the sale as the caller knows it, Unix ms
--       2 fingerprint of the secret that the caller signs tickets with
--       3 to 8 how far the caller has seen the queue (read_queue.lua)
--       9 high-water mark: epoch     \ see reserve.lua
--       10 high-water mark: sequence /
--       11 limit of outbox entries
-- Returns {'unknown'}, {'moved'}, {'behind'} or {'lost'} (see join_queue.lua; lost is any of the keys), or
--   {'queue', now_ms, state, is_started, joined, late, served_below, served_late, clock_ms, points, remaining, total, completed, terms, is_behind,
--    started, starts, changed}
--   now_ms        Redis's clock
--   state         'scheduled', 'open' or 'closed'
--   is_started    1 once the start is over for the queue
--   joined        how many joined before the start, as far as known
--   points        when turns began: `clock_ms served_below served_late orders`, separated by `;`, the oldest first. The first is
--                 older than every turn that has not ended. `orders`: fields of the orders hash
--   completed     units that are paid, in a sale with holds; else ''
--   terms         the field `queue` of the sale hash
--   is_behind     1 if Redis is behind the high-water mark
--   started       the field `queue_started` of the sale hash; '': there is none
--   starts        1 if this call has written it
--   changed       the field `queue_changed` of the sale hash; '': there is none
assert(#KEYS == 5 and #ARGV == 11, 'pace_queue.lua takes 5 keys and 11 arguments')
local call = redis.call
local sale, queue, early, orders, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

-- 2^52: the end of the positions of those who joined before the start.
local EARLY_END = 4503599627370496
local STEP_MS_MAX = 1000
-- The longest refusal lease (grant_refusal_lease.lua).
local LEASE_MS_MAX = 2000
-- How much longer than shown a turn lasts (crates/domain/src/queue/turn.rs).
local GRACE_MS = 30000

local facts = call('HMGET', sale, 'state', 'epoch', 'seq', 'opens_at', 'closes_at', 'remaining', 'total', 'completed',
  'sold_out_until', 'queue', 'queue_started', 'queue_changed')
local state, epoch, seq, opens_at, closes_at, remaining, terms =
  facts[1], facts[2], facts[3], facts[4], facts[5], facts[6], facts[10]
local started = facts[11]
if not state or not terms then
  return { 'unknown' }
elseif state == 'rebuilding' then
  return { 'behind' }
end
local _, _, opening_rate, turn_s, overbook, fingerprint = string.match(terms, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%x+)$')
if opens_at ~= ARGV[1] or fingerprint ~= ARGV[2] then
  return { 'moved' }
end
local set_rate, paused, mode = string.match(facts[12] or '', '^%S+ %d+ (%S+) (%d) (%a+)$')
local rate = set_rate and set_rate ~= '-' and set_rate or opening_rate
local progress = read_queue(queue, { unpack(ARGV, 3, 8) }, started)
local order_fields = call('HLEN', orders)
if not progress or order_fields == 0 or call('EXISTS', early, outbox) < 2 then
  return { 'lost' }
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local shown = 'open'
if state == 'closed' or (closes_at ~= '' and now >= closes_at + 0) then
  shown = 'closed'
elseif state == 'opening' or now < opens_at + 0 then
  shown = 'scheduled'
end
local is_behind = epoch + 0 < ARGV[9] + 0 or (epoch == ARGV[9] and seq + 0 < ARGV[10] + 0)
local can_write = shown == 'open' and not is_behind and call('XLEN', outbox) < ARGV[11] + 0
local starts = not started and can_write
if not progress.is_started then
  progress.joined = math.max(progress.joined, call('PFCOUNT', early))
  progress.is_started = starts
end

local kept = call('HMGET', queue, 'paced_at_ms', 'credit', 'points')
-- Each point is {clock_ms, served_below, served_late, orders}.
local points = {}
for clock, below, late, taken in string.gmatch(kept[3] or '', '(%d+) (%d+) (%d+) (%d+)') do
  points[#points + 1] = { clock + 0, below + 0, late + 0, taken + 0 }
end
if #points == 0 then
  -- The start, or lost. In the second case, people who were served before have their whole turns again, and all orders count.
  points[1] = { progress.clock_ms, 0, 0, progress.clock_ms > 0 and 1 or order_fields }
end

local function served(below, late)
  return below / EARLY_END * progress.joined + late
end

-- How many more people may be let through: `overbook` for each unit, less those whose turns are open and who have not ordered.
local function room(turn_ms)
  local before = points[1]
  for n = 2, #points do
    if points[n][1] > progress.clock_ms - turn_ms then
      break
    end
    before = points[n]
  end
  local let_through = served(progress.served_below, progress.served_late) - served(before[2], before[3])
  return overbook * remaining - math.max(0, let_through - (order_fields - before[4]))
end

local function serve(people)
  if progress.served_below < EARLY_END then
    local left = served(EARLY_END, 0) - served(progress.served_below, 0)
    if people >= left then
      progress.served_below, people = EARLY_END, math.floor(people - left)
    else
      progress.served_below = math.min(EARLY_END, progress.served_below + math.floor(people * (EARLY_END / progress.joined)))
      people = 0
    end
  end
  progress.served_late = math.max(progress.served_late, math.min(progress.late, progress.served_late + people))
end

-- A refusal lease that ends later than any does was granted before the clock was set back.
local lease_ms = facts[9] and facts[9] - now
local is_leased = lease_ms and lease_ms > 0 and lease_ms <= LEASE_MS_MAX
local gives_turns = can_write and not is_leased and remaining + 0 > 0 and paused ~= '1' and mode ~= 'pass'
local credit = (kept[2] or 0) + 0
if gives_turns then
  local since = math.max(opens_at + 0, (kept[1] or now) + 0)
  local passed_ms = math.max(0, math.min(STEP_MS_MAX, now - since))
  progress.clock_ms = progress.clock_ms + passed_ms
  -- In thousandths of a person. What is not used up is lost, but for a fraction: otherwise people would be let through in bursts.
  credit = credit + rate * passed_ms
  local people = math.floor(credit / 1000)
  credit = credit - people * 1000
  serve(math.max(0, math.min(people, math.floor(room(turn_s * 1000)))))
end

local last = points[#points]
if progress.served_below > last[2] or progress.served_late > last[3] then
  local point = { progress.clock_ms, progress.served_below, progress.served_late, order_fields }
  -- Points of the same 32nd of a turn are joined, which makes a turn longer, never shorter.
  local spacing_ms = turn_s * 1000 / 32
  if #points > 1 and math.floor(last[1] / spacing_ms) == math.floor(progress.clock_ms / spacing_ms) then
    points[#points] = point
  else
    points[#points + 1] = point
  end
end
while points[2] and points[2][1] <= progress.clock_ms - turn_s * 1000 - GRACE_MS do
  table.remove(points, 1)
end
local texts = {}
for n, point in ipairs(points) do
  texts[n] = string.format('%.0f %.0f %.0f %.0f', unpack(point))
end
local history = table.concat(texts, ';')

local function text(number)
  return string.format('%.0f', number)
end
if starts then
  local sequence = text(seq + 1)
  local entry = epoch .. '-' .. sequence
  local said = text(now) .. ' ' .. text(progress.joined)
  started = entry .. ' ' .. said
  call('XADD', outbox, entry, 'starts', said)
  call('HSET', sale, 'seq', sequence, 'queue_started', started)
end
-- Of a closed sale nothing changes any more.
if shown ~= 'closed' then
  local fields = { 'late', text(progress.late), 'served_below', text(progress.served_below), 'served_late', text(progress.served_late),
    'clock_ms', text(progress.clock_ms), 'paced_at_ms', text(now), 'credit', text(credit) }
  local function add(name, value)
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  if history ~= kept[3] then
    add('points', history)
  end
  if progress.is_started then
    add('joined', text(progress.joined))
  end
  call('HSET', queue, unpack(fields))
end
return { 'queue', text(now), shown, progress.is_started and 1 or 0, text(progress.joined), text(progress.late),
  text(progress.served_below), text(progress.served_late), text(progress.clock_ms), history, remaining, facts[7], facts[8] or '', terms,
  is_behind and 1 or 0, started or '', starts and 1 or 0, facts[12] or '' }
