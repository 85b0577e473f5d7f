-- The limit of a user's unpaid orders, in a sale with holds. No script of its own: crates/gate/src/scripts.rs puts it before
-- the scripts that use it.
--
-- Field `hold` of the sale hash: 'hold_ms grace_ms unpaid_per_user buyer_cancel'; absent: no holds.
-- Field '\1' and a user of the users hash: the orders that the user has not paid. Open holds are not among them.

-- Nil without holds.
local function unpaid_limit(sale)
  local hold = redis.call('HGET', sale, 'hold')
  if not hold then
    return nil
  end
  local per_user = string.match(hold, '^%d+ %d+ (%d+) [01]$') + 0

  -- By user, whether the user has so many.
  local limit = { reached = {} }

  -- Reads the fields of these users, which are in `found` behind the place `at`.
  function limit.read(names, found, at)
    for n, user in ipairs(names) do
      limit.reached[user] = (found[at + n] or 0) + 0 >= per_user
    end
  end

  return limit
end
