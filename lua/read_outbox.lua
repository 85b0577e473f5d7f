-- Reads one page of the outbox, oldest event first, with everything that is needed to publish the events again.
--
-- Safe to run twice: it writes nothing.
-- crates/gate/src/scripts.rs puts needs_users.lua and optional_keys.lua before this text.
--
-- KEYS  1 sale hash  2 orders hash  3 outbox stream  4 users hash, and those that only some sales have (optional_keys.lua)
-- ARGV  1 start of the page: '-', or '(' and the number of the last event of the page before
--       2 end of the page: the highest entry id wanted
--       3 limit of events on the page, at most 500; with a shared entry, which is not cut, up to 63 more
-- Returns {{epoch, seq, waiting, state, total, remaining}, {opens_at, closes_at}, {oldest, events, lost}}
--   epoch, seq  the highest sequence number given out ({0, 0} without a sale)
--   waiting     number of entries in the outbox
--   state, total, remaining  from the sale hash ('', 0, 0 without a sale)
--   opens_at, closes_at  from the sale hash, Unix ms; '': none
--   oldest      the first event of the outbox, whatever the page is; empty if the outbox is
--   events      {number, kind, subject, record} each: kind and subject as XADD wrote them, and the record of the order, restock,
--               amendment or change of the queue; '' if there is none, or if Redis has lost it. An order of a shared entry is of
--               kind 'order', and the id of the entry and the number of its orders follow; those that are acknowledged are left out
--   lost        1 if Redis has the sale and lacks one of its keys, else 0
assert(#KEYS >= 4 and #KEYS <= 7 and #ARGV == 3 and tonumber(ARGV[3]) <= 500,
  'read_outbox.lua takes 4 to 7 keys and 3 arguments, the last at most 500')
local sale, orders, outbox, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- A shared entry has up to 64 events: few of the entries that are read at once do not fit on the page.
local ENTRIES_AT_ONCE = 20

local numbers = redis.call('HMGET', sale, 'epoch', 'seq', 'state', 'total', 'remaining', 'user_limit', 'limits',
  'opens_at', 'closes_at', 'hold')

-- Adds the orders of a shared entry that wait, at most so many.
local function add_orders(events, entry, order_ids, most)
  local epoch, seq = string.match(entry, '^(%d+)%-(%d+)$')
  local acked = redis.call('HGET', sale, 'acked:' .. entry)
  local count, found, waiting = (#order_ids + 1) / 37, {}, {}
  for place = 1, count do
    local waits = not (acked and string.sub(acked, place, place) == '1')
    if waits and #waiting < most then
      local id = string.sub(order_ids, 37 * place - 36, 37 * place - 1)
      waiting[#waiting + 1] = id
      found[#found + 1] = { epoch .. '-' .. string.format('%d', seq + place - 1), 'order', id, '', entry, count }
    end
  end
  local records = #found > 0 and redis.call('HMGET', orders, unpack(waiting)) or {}
  for n, record in ipairs(records) do
    found[n][4] = record or ''
    events[#events + 1] = found[n]
  end
end

-- Adds the events of an entry; of a shared one at most so many.
local function add_events(events, entry, most)
  local id, kind, subject = entry[1], entry[2][1], entry[2][2]
  if kind == 'orders' then
    return add_orders(events, id, subject, most)
  end
  local field = ({ order = subject, cancel = subject, complete = subject, expire = subject, restock = 'restock:' .. subject,
    amend = 'amend:' .. subject, queue = 'queue:' .. subject })[kind]
  events[#events + 1] = { id, kind, subject, field and redis.call('HGET', orders, field) or '' }
end

local function read_oldest()
  local events, entry = {}, redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)[1]
  if entry then
    add_events(events, entry, 1)
  end
  return events
end

local function read_page(from, to, limit)
  local events = {}
  repeat
    local entries = redis.call('XRANGE', outbox, from, to, 'COUNT', ENTRIES_AT_ONCE)
    for _, entry in ipairs(entries) do
      if #events >= limit then
        return events
      end
      add_events(events, entry, 64)
      from = '(' .. entry[1]
    end
  until #entries < ENTRIES_AT_ONCE
  return events
end

-- A sale that is being rebuilt may lack any of them.
local is_whole = not numbers[3] or numbers[3] == 'rebuilding' or redis.call('EXISTS', orders, outbox) == 2
  and (not needs_users(numbers[6], numbers[7], numbers[10]) or redis.call('EXISTS', users) == 1)
  and has_optional_keys()

local facts = { tonumber(numbers[1] or 0), tonumber(numbers[2] or 0), redis.call('XLEN', outbox),
  numbers[3] or '', tonumber(numbers[4] or 0), tonumber(numbers[5] or 0) }
return { facts, { numbers[8] or '', numbers[9] or '' },
  { read_oldest(), read_page(ARGV[1], ARGV[2], tonumber(ARGV[3])), is_whole and 0 or 1 } }
