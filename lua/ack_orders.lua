-- Acknowledges events that take room, of several sales: removes their outbox entries, after Kafka has acknowledged the events.
-- They have no effect left to apply; those that make room go through ack_outbox.lua. Sales of a Cluster share a call only if
-- their keys have the same hash tag.
-- crates/gate/src/scripts.rs puts find_entry.lua and run_alone.lua before this text.
--
-- An order of a shared entry that is acknowledged without the others is marked, so that its retries are not answered as if it
-- waited: field acked:<entry id> of the sale hash has 1 at its place, and 0 where an order waits. The entry and its mark go
-- when all its orders are acknowledged.
--
-- Safe to run twice: the second run finds the entries gone, or the marks set. If the call fails for one sale, the others do not
-- notice.
--
-- KEYS  of each sale: its sale hash and its outbox stream
-- ARGV  of each sale: the lengths of three lists, then the lists, with at most 512 elements of all sales:
--         ids of entries that hold one event
--         ids of shared entries of which all orders are acknowledged
--         numbers of events, whatever entry they are in
-- Returns for each sale how many entries this call removed, or {text} of its error
assert(#KEYS % 2 == 0 and #ARGV <= 3 * #KEYS / 2 + 512,
  'ack_orders.lua takes 2 keys and 3 arguments per sale, and 1 per acknowledgement, at most 512')
local call = redis.call

-- Returns the number of entries removed.
local function ack_event(sale, outbox, number)
  local id, place, count = find_entry(outbox, number)
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

-- Acknowledges the three lists of one sale, which begin after `at`.
local function ack_lists(sale, outbox, at, single, shared, numbers)
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
  for n = last + 1, last + numbers do
    removed = removed + ack_event(sale, outbox, ARGV[n])
  end
  return removed
end

local replies, at = {}, 0
for n = 1, #KEYS / 2 do
  local single, shared, numbers = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 3
  local reply, failed = run_alone(ack_lists, KEYS[2 * n - 1], KEYS[2 * n], at, single, shared, numbers)
  if failed then
    return failed
  end
  replies[n], at = reply, at + single + shared + numbers
end
return replies
