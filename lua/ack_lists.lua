-- Acknowledges events that make no room, in one outbox. No script of its own: crates/gate/src/scripts.rs puts it before the
-- scripts that use it, after find_entry.lua.
--
-- An order of a shared entry that is acknowledged without the others is marked, so that its retries are not answered as if it
-- waited: field acked:<entry id> of the sale hash has 1 at its place, and 0 where an order waits. The entry and its mark go
-- when all its orders are acknowledged.

local call = redis.call

-- The number of an acknowledged event and its name, if that is given.
local function parse_event(event)
  local number, name = string.match(event, '^(%S+) (.+)$')
  return number or event, name
end

-- Returns the number of entries removed.
local function ack_event(sale, outbox, event)
  local id, place, count = find_entry(outbox, parse_event(event))
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

