-- wrk: every request repeats an order that was accepted before. Arguments: product, number of such orders.
--
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

local sent = 0

function init(arguments)
  product, count = arguments[1], tonumber(arguments[2])
  sent = number * math.floor(count / 2)
end

-- Built for each request, like the orders of the other scripts: prebuilt requests would leave more CPU to the service.
function request()
  sent = sent + 1
  local buyer = sent % count
  local headers = { ['Content-Type'] = 'application/json', ['Idempotency-Key'] = 'known-' .. buyer }
  local body = '{"productId":"' .. product .. '","userId":"user-' .. buyer .. '","quantity":1}'
  return wrk.format('POST', '/orders', headers, body)
end
