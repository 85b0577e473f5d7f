-- Names the keys that only some sales have. No script of its own: crates/gate/src/scripts.rs puts it before the scripts that
-- use it.
--
-- After the four keys of every sale come, in a sale with holds, the holds, and then, in a sale with a queue, the state of the
-- queue and who joined it. So the number of keys tells which there are.

-- Returns the key of the holds; nil: the sale has none.
local function holds_key()
  return #KEYS % 2 == 1 and KEYS[5] or nil
end

-- Returns the keys of the queue: its state, and who joined. Nil: the sale has none.
local function queue_keys()
  if #KEYS >= 6 then
    return KEYS[#KEYS - 1], KEYS[#KEYS]
  end
end

-- Whether none of these keys is missing.
local function has_optional_keys()
  return #KEYS == 4 or redis.call('EXISTS', unpack(KEYS, 5)) == #KEYS - 4
end

-- Creates these keys as they are before anybody has ordered or joined. The placeholders keep them in existence: a key that comes
-- into being during a sale makes scripts fail while a Cluster moves its slot.
local function create_optional_keys()
  local holds = holds_key()
  if holds then
    redis.call('ZADD', holds, '+inf', '')
  end
  local queue, joined = queue_keys()
  if queue then
    redis.call('HSET', queue, '', 0)
    redis.call('PFADD', joined)
  end
end
