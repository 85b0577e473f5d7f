-- Keeps the sales of a call that they share apart. No script of its own: crates/gate/src/scripts.rs puts it before the scripts
-- that use it.

-- Runs a function for one sale. Returns its reply, or {text} if it fails: the other sales do not notice. Returns a second value
-- if the error is not about this sale: the reply to the whole call.
local function run_alone(run, ...)
  local done, reply = pcall(run, ...)
  if done then
    return reply
  end
  -- An error of a command is a table, one of Lua a string.
  local text = reply.err or reply
  if string.find(text, '^%-?READONLY') then
    -- The client must find the new master.
    return nil, redis.error_reply(text)
  end
  return { text }
end
