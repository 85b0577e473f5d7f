-- wrk: every request is a new order. Arguments: product, a name for this run (part of every key), and optionally the
-- number of products, which are then named with -0, -1 and so on appended.
--
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

local sent = 0

function init(arguments)
  product, run, products = arguments[1], arguments[2], tonumber(arguments[3])
end

function request()
  sent = sent + 1
  local product = products and product .. '-' .. sent % products or product
  local key = run .. '-' .. number .. '-' .. sent
  local headers = { ['Content-Type'] = 'application/json', ['Idempotency-Key'] = key }
  local body = '{"productId":"' .. product .. '","userId":"user-' .. number .. '-' .. sent % 1000 .. '","quantity":1}'
  return wrk.format('POST', '/orders', headers, body)
end
