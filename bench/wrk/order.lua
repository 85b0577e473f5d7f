-- wrk: every request is a new order. Arguments: product, a name for this run (part of every key).
--
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

local sent = 0

function init(arguments)
  product, run = arguments[1], arguments[2]
end

function request()
  sent = sent + 1
  local key = run .. '-' .. number .. '-' .. sent
  local headers = { ['Content-Type'] = 'application/json', ['Idempotency-Key'] = key }
  local body = '{"productId":"' .. product .. '","userId":"user-' .. number .. '-' .. sent % 1000 .. '","quantity":1}'
  return wrk.format('POST', '/orders', headers, body)
end
