-- wrk: every request is an order that was accepted before. Arguments: product, how many such orders there are.
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

-- Made anew each time, like the orders of the other scripts: a request from memory would leave the service more of the CPU.
function request()
  sent = sent + 1
  local buyer = sent % count
  local headers = { ['Content-Type'] = 'application/json', ['Idempotency-Key'] = 'known-' .. buyer }
  local body = '{"productId":"' .. product .. '","userId":"user-' .. buyer .. '","quantity":1}'
  return wrk.format('POST', '/orders', headers, body)
end
