-- Names of acknowledged events. No script of its own: crates/gate/src/scripts.rs puts it before the scripts that use it.
--
-- An acknowledgement has the number of its event. If it is late or returns units, a space and the name of the event follow: its
-- kind and subject, or its kind alone. A failover may have given the number to another event before the acknowledgement came.

-- Returns the number and the name, which is empty if there is none.
local function parse_event(event)
  return string.match(event, '^(%S+) ?(.*)$')
end

local function has_name(kind, subject, name)
  return string.find(kind .. ' ' .. subject, name, 1, true) == 1
end
