-- wrk: one order in a hundred is for a product with units left, the others are for one that is sold out.
-- Arguments: the first product, the second product, a name for this run (part of every key).
--
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

local sent = 0

function init(arguments)
  there, sold_out, run = arguments[1], arguments[2], arguments[3]
end

function request()
  sent = sent + 1
  local product = sent % 100 == 0 and there or sold_out
  local key = run .. '-' .. number .. '-' .. sent
  local headers = { ['Content-Type'] = 'application/json', ['Idempotency-Key'] = key }
  local body = '{"productId":"' .. product .. '","userId":"user-' .. number .. '-' .. sent % 1000 .. '","quantity":1}'
  return wrk.format('POST', '/orders', headers, body)
end
