-- The limit of a user's unpaid orders, in a sale with holds. No script of its own: crates/gate/src/scripts.rs puts it before
-- the scripts that use it.
--
-- Field `hold` of the sale hash: 'hold_ms grace_ms unpaid_per_user buyer_cancel'; absent: no holds.
-- Field '\1' and a user of the users hash: the orders that the user has not paid. Open holds are not among them.

-- How many orders of a user may be unpaid; nil without holds.
local function unpaid_limit(sale)
  local hold = redis.call('HGET', sale, 'hold')
  return hold and string.match(hold, '^%d+ %d+ (%d+) [01]$') + 0
end
