-- The index of claims: how they are found. Every look names the mode of the claim that asks: an exclusive one finds
-- claims of both modes, a shared one finds exclusive claims only, and pays nothing for the shared ones.
local looks = {}

local indexes, nodes, places, resource = module.indexes, module.nodes, module.places, module.resource
local held, lines = indexes.held, indexes.lines
local padded = indexes.padded
local sub = string.sub
local huge = math.huge

-- The modes that a claim conflicts with, as they stand in the indexes.
local AGAINST_EXCLUSIVE = { 'x', 's' }
local AGAINST_SHARED = { 'x' }

local function against(isExclusive)
  return isExclusive and AGAINST_EXCLUSIVE or AGAINST_SHARED
end

-- Ids of shared claims on a resource, in order.
local function heldShared(place, id, after, limit)
  if place == 'tree' and nodes.get(id).sharedTree == 0 then
    return {}
  end
  local name = (place == 'tree' and 't' or 's') .. id .. '\0'
  local ids = {}
  for index, member in ipairs(indexes.range(held, '(' .. name .. padded(after), '(' .. name .. ':', limit)) do
    ids[index] = tonumber(sub(member, #name + 1))
  end
  return ids
end

local function heldUnder(id, mode, limit)
  local prefix = mode .. resource.prefixUnder(id)
  -- The root of a type starts with its own prefix, but does not lie under itself.
  local from = resource.isRoot(id) and '(' .. prefix .. '\1' or '[' .. prefix
  local ids = {}
  for index, member in ipairs(indexes.range(held, from, '(' .. prefix .. '\255', limit)) do
    ids[index] = tonumber(sub(member, -16))
  end
  return ids
end

-- Held requests that conflict with a claim: in order of id, after `after`; under a resource in order of resource, from
-- the start.
function looks.held(place, id, isExclusive, after, limit)
  if place == 'under' then
    local ids = heldUnder(id, 'x', limit)
    if isExclusive and #ids < limit then
      for _, other in ipairs(heldUnder(id, 's', limit - #ids)) do
        ids[#ids + 1] = other
      end
    end
    return ids
  end
  local node = nodes.get(id)
  local ids = isExclusive and node.shared > 0 and heldShared(place, id, after, limit) or {}
  if node.exclusive > after and (place == 'at' or node.exclusiveTree > 0) then
    ids[#ids + 1] = node.exclusive
  end
  return module.lists.merged(ids, limit)
end

-- Some held request that conflicts at a place.
function looks.someHeld(place, id, isExclusive)
  if place == 'under' then
    return heldUnder(id, 'x', 1)[1] or isExclusive and heldUnder(id, 's', 1)[1] or nil
  end
  if not nodes.isTaken(id) then
    return nil
  end
  local node = nodes.get(id)
  if node.exclusive > 0 and (place == 'at' or node.exclusiveTree > 0) then
    return node.exclusive
  end
  if not isExclusive or node.shared == 0 then
    return nil
  end
  return heldShared(place, id, 0, 1)[1]
end

-- Looks at what waits.

local function idAfter(member, name)
  return tonumber(sub(member, #name + 1, #name + 16))
end

-- The latest waiting request before `before` that conflicts at a place.
function looks.lastWaiting(place, id, isExclusive, before)
  if not nodes.isTaken(id) then
    return nil
  end
  local node = nodes.get(id)
  if place == 'at' and isExclusive and node.last > 0 and node.last < before then
    return node.last
  end
  local last
  for _, mode in ipairs(against(isExclusive)) do
    if node[places.counter(place, mode)] > 0 then
      local name = places.nameOf(place, mode, id)
      local member = indexes.last(lines, '[' .. name, '(' .. name .. (before == math.huge and ':' or padded(before)))
      local found = member and idAfter(member, name)
      if found and (last == nil or found > last) then
        last = found
      end
    end
  end
  return last
end

-- The different ids of one list between two, in order: a request can stand under a resource with several looks.
local function between(name, after, before, limit)
  local ids = {}
  local upTo = '(' .. name .. (before == math.huge and ':' or padded(before))
  local from = '(' .. name .. padded(after) .. '\255'
  while #ids < limit do
    local size = limit - #ids
    local page = indexes.range(lines, from, upTo, size)
    for _, member in ipairs(page) do
      local found = idAfter(member, name)
      if found ~= ids[#ids] then
        ids[#ids + 1] = found
      end
    end
    if #page < size then
      break
    end
    from = '(' .. page[#page]
  end
  return ids
end

-- Waiting requests that conflict, after `after` and before `before`, in order of id.
function looks.waiting(place, id, isExclusive, after, before, limit)
  local node = nodes.get(id)
  local ids = {}
  for _, mode in ipairs(against(isExclusive)) do
    if node[places.counter(place, mode)] > 0 then
      for _, found in ipairs(between(places.nameOf(place, mode, id), after, before, limit)) do
        ids[#ids + 1] = found
      end
    end
  end
  return module.lists.merged(ids, limit)
end

local function countOf(node, place, mode, id, before)
  local all = node[places.counter(place, mode)]
  if before == huge or all == 0 then
    return all
  end
  local name = places.nameOf(place, mode, id)
  return indexes.count(lines, '[' .. name, '(' .. name .. padded(before))
end

-- How many waiting claims conflict, counted up to `limit`.
function looks.countWaiting(place, id, isExclusive, before, limit)
  local node = nodes.get(id)
  local sum = countOf(node, place, 'x', id, before)
  if isExclusive then
    sum = sum + countOf(node, place, 's', id, before)
  end
  return sum < limit and sum or limit
end

-- Pages.

local function pageOf(mode, prefix, after, limit)
  local from = '[' .. mode .. prefix
  if after and sub(after, 1, 1) == mode and after >= mode .. prefix then
    from = '(' .. after
  end
  return indexes.range(held, from, '(' .. mode .. prefix .. '\255', limit)
end

-- Held claims whose ids start with a prefix, as they stand in the index, after one of them if given.
function looks.page(prefix, after, limit)
  local found = pageOf('x', prefix, after, limit)
  if after and sub(after, 1, 1) == 's' then
    found = {}
  end
  for _, member in ipairs(#found < limit and pageOf('s', prefix, after, limit - #found) or {}) do
    found[#found + 1] = member
  end
  return found
end

return looks
