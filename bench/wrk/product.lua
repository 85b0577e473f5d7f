-- wrk: looks at one product again and again. Argument: the product.
--
function init(arguments)
  product = arguments[1]
end

function request()
  return wrk.format('GET', '/products/' .. product)
end
