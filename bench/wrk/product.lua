-- wrk: every request reads the same product. Argument: the product.
--
function init(arguments)
  product = arguments[1]
end

function request()
  return wrk.format('GET', '/products/' .. product)
end
