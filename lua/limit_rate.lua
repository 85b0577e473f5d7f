-- The limits of the rate of a sale's orders. No script of its own: crates/gate/src/scripts.rs puts it before the scripts that
-- use it.
--
-- Field `limits` of the sale hash: 'per_second level at_us per_user window_s', whole numbers; 0 stands for no limit.
--   Orders per second: GCRA, in its form as a leaky bucket (ITU-T I.371, annex A), because that needs no fractions. Each order
--   adds a million to the level, and per_second flow off in each microsecond; `level` is that of the time at_us. A tenth of
--   what a second allows fits in at once, at least one order.
-- Field '\2' and a user of the users hash: 'orders since_ms', the orders taken in the user's window, which begins with the first.
--
-- A time that is still to come is from before the clock was set back. It says nothing any more: the bucket is empty, the window
-- over. Counting it as now would stop the sale for as long as the clock was set back, because refusals write nothing. Clocks
-- that are adjusted by less than a second count as right: then a time to come counts as now.

-- Nil if the rate is not limited.
local function rate_limits(limits, time)
  local ORDER, SECOND_US = 1000000, 1000000
  local format, floor, ceil, max, min = string.format, math.floor, math.ceil, math.max, math.min
  local per_second, level, at_us, per_user, window_s = string.match(limits, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  per_second, per_user, window_s = per_second + 0, per_user + 0, window_s + 0
  if per_second == 0 and per_user == 0 then
    return nil
  end
  local window_ms, now_us = window_s * 1000, time[1] * 1000000 + time[2]
  local now_ms = floor(now_us / 1000)
  level = at_us - now_us < SECOND_US and max(0, level - max(0, now_us - at_us) * per_second) or 0
  local most = max(1, floor(per_second / 10)) * ORDER
  -- By user: the orders taken in the window, and its begin.
  local orders_of, since_of = {}, {}

  local rate = { limits_users = per_user > 0 }

  -- Reads the fields of these users, which are in `found` behind the place `at`.
  function rate.read_windows(names, found, at)
    for n, user in ipairs(names) do
      local orders, since = string.match(found[at + n] or '', '^(%d+) (%d+)$')
      since = since and since - now_ms < 1000 and min(since + 0, now_ms)
      if since and now_ms < since + window_ms then
        orders_of[user], since_of[user] = orders + 0, since
      else
        orders_of[user], since_of[user] = 0, now_ms
      end
    end
  end

  -- Why this user's order comes too early, if the call has taken so many orders; or nil.
  function rate.refuse(user, taken)
    local orders = orders_of[user]
    if orders and orders >= per_user then
      return { 'user_rate_limited', since_of[user] + window_ms - now_ms }
    end
    local excess = level + (taken + 1) * ORDER - most
    if per_second > 0 and excess > 0 then
      return { 'rate_limited', ceil(excess / per_second / 1000) }
    end
  end

  -- Counts an order of this user. Returns its field and value in the users hash, or nil.
  function rate.count(user)
    local orders = orders_of[user]
    if orders then
      orders_of[user] = orders + 1
      return '\2' .. user, format('%d %d', orders + 1, since_of[user])
    end
  end

  -- The field `limits`, if the call has taken so many orders.
  function rate.field(taken)
    return format('%d %d %d %d %d', per_second, per_second > 0 and level + taken * ORDER or 0, now_us, per_user, window_s)
  end

  -- What is left, as reserve.lua returns it, if the call has taken so many orders; `names` are the users of all orders.
  function rate.left(taken, names)
    local left = { per_second, 0, 0, per_user, window_s }
    if per_second > 0 then
      local filled = level + taken * ORDER
      left[2], left[3] = floor((most - filled) / ORDER), ceil(filled / per_second / 1000)
    end
    -- In one list: Redis converts lists within lists slowly.
    for n, user in ipairs(next(orders_of) and names or {}) do
      local orders = orders_of[user]
      left[4 + 2 * n], left[5 + 2 * n] = per_user - orders, orders > 0 and since_of[user] + window_ms - now_ms or 0
    end
    return left
  end

  return rate
end
