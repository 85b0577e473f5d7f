-- Acknowledges events that make no room, in one outbox. No script of its own: crates/gate/src/scripts.rs puts it before the
-- scripts that use it, after find_entry.lua and event_name.lua.
--
-- An order of a shared entry that is acknowledged without the others is marked, so that its retries are not answered as if it
-- waited: field acked:<entry id> of the sale hash has 1 at its place, and 0 where an order waits. The entry and its mark go
-- when all its orders are acknowledged.

local call = redis.call

-- The entry of an acknowledged event, as find_entry returns it. Nil, too, if another event has the number.
local function find_event(outbox, event)
  local number, name = parse_event(event)
  local id, place, count = find_entry(outbox, number)
  if not id or name == '' then
    return id, place, count
  end
  local entry = call('XRANGE', outbox, id, id)[1]
  local kind, subject = entry[2][1], entry[2][2]
  if kind == 'orders' then
    kind, subject = 'order', string.sub(subject, 37 * place - 36, 37 * place - 1)
  end
  if has_name(kind, subject, name) then
    return id, place, count
  end
end

-- Returns the number of entries removed.
local function ack_event(sale, outbox, event)
  local id, place, count = find_event(outbox, event)
  if not id then
    return 0
  end
  if count == 1 then
    return call('XDEL', outbox, id)
  end
  local field = 'acked:' .. id
  local acked = call('HGET', sale, field)
  -- A sale hash that is missing must not come back without what it held.
  if not acked and call('EXISTS', sale) == 0 then
    return 0
  end
  acked = acked or string.rep('0', count)
  acked = string.sub(acked, 1, place - 1) .. '1' .. string.sub(acked, place + 1)
  if string.find(acked, '0') then
    call('HSET', sale, field, acked)
    return 0
  end
  call('HDEL', sale, field)
  return call('XDEL', outbox, id)
end

-- Acknowledges the three lists of one sale, as ack_orders.lua describes them, which begin after `at` in ARGV.
local function ack_lists(sale, outbox, at, single, shared, events)
  local removed, last = 0, at + single + shared
  if last > at then
    removed = call('XDEL', outbox, unpack(ARGV, at + 1, last))
  end
  if shared > 0 then
    local fields = {}
    for n = 1, shared do
      fields[n] = 'acked:' .. ARGV[at + single + n]
    end
    call('HDEL', sale, unpack(fields))
  end
  for n = last + 1, last + events do
    removed = removed + ack_event(sale, outbox, ARGV[n])
  end
  return removed
end

