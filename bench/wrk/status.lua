-- wrk: every request reads the status of a known order. Argument: a file with their ids, one per line.
--
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

local ids, sent = {}, 0

function init(arguments)
  for id in io.lines(arguments[1]) do
    ids[#ids + 1] = id
  end
  sent = number * math.floor(#ids / 2)
end

function request()
  sent = sent + 1
  return wrk.format('GET', '/orders/' .. ids[sent % #ids + 1])
end
