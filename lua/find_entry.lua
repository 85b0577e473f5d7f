-- Finds events in an outbox whose entries may be shared by orders. No script of its own: crates/gate/src/scripts.rs puts it
-- before the scripts that use it.
--
-- A shared entry has the ids of the orders of one call, of 36 characters each and separated by one space. Its own id is the
-- number of the first of them; the others have the numbers that follow.

-- The entry of the event with this number: its id, the place of the event in it, and the number of its events. Nil if there
-- is none.
local function find_entry(outbox, number)
  -- In here, because a function outside is made anew by every call of a script, whether it is used or not.
  local function parse(id)
    local epoch, seq = string.match(id, '^(%d+)%-(%d+)$')
    return epoch + 0, seq + 0
  end
  -- If no entry is before the number, XREVRANGE reads the whole outbox.
  local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)[1]
  if not oldest then
    return nil
  end
  local epoch, seq = parse(number)
  local oldest_epoch, oldest_seq = parse(oldest[1])
  if epoch < oldest_epoch or (epoch == oldest_epoch and seq < oldest_seq) then
    return nil
  end
  local entry = redis.call('XREVRANGE', outbox, number, '-', 'COUNT', 1)[1]
  local id, kind, order_ids = entry[1], entry[2][1], entry[2][2]
  if kind ~= 'orders' then
    if id == number then
      return id, 1, 1
    end
    return nil
  end
  local first_epoch, first_seq = parse(id)
  local place, count = seq - first_seq + 1, (#order_ids + 1) / 37
  if epoch == first_epoch and place <= count then
    return id, place, count
  end
end

-- Whether the event with this number waits. Orders of a shared entry may be acknowledged before the entry is removed.
local function is_waiting(sale, outbox, number)
  local id, place, count = find_entry(outbox, number)
  local acked = id and count > 1 and redis.call('HGET', sale, 'acked:' .. id)
  return id and not (acked and string.sub(acked, place, place) == '1')
end
