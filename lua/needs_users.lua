-- Says which sales need their users hash. No script of its own: crates/gate/src/scripts.rs puts it before the scripts that use
-- it.

-- Whether a script reads the users of a sale with these fields: then the hash must not be missing.
local function needs_users(user_limit, limits, hold)
  return user_limit ~= '' or (limits and not string.find(limits, ' 0 0$')) or hold
end
