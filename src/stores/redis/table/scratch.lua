-- Tables that a batch fills and the next one finds empty. A small one is used again: to grow from nothing takes longer
-- than what a lone batch does with it. A large one is given up, or each later batch would have to go through all of it.
local scratch = {}

local SMALL = 64

-- The same table, or another, with nothing in it.
function scratch.emptied(used)
  local count = 0
  for key in next, used do
    count = count + 1
    if count > SMALL then
      return {}
    end
    used[key] = nil
  end
  return used
end

return scratch
