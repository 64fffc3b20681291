local lists = {}

-- The different numbers of a list, in order, at most `limit` of them.
function lists.merged(numbers, limit)
  if #numbers <= 1 then
    return numbers
  end
  table.sort(numbers)
  local found = {}
  for _, number in ipairs(numbers) do
    if #found == limit then
      break
    end
    if number ~= found[#found] then
      found[#found + 1] = number
    end
  end
  return found
end

return lists
