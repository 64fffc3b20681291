-- What can be looked at without changing anything.
local reading = {}

local claims, lines, looks, requests, resource, turn =
  module.claims, module.lines, module.looks, module.requests, module.resource, module.turn
local format = string.format

-- How many held claims one step of a listing reads.
local LIST_PAGE = 256

-- How many events one step reads at most.
local EVENT_PAGE = 1024

-- Calls back with each live lease that covers a resource (for a tree: the whole of it) and the claim by which it does,
-- nearest claim first, then earliest first, until that returns something.
function reading.coveringLeases(id, isTree, visit)
  local wanted = { id = id, isTree = isTree }
  local places = { { isTree and 'tree' or 'at', id } }
  if claims.hasTreesAround(id) then
    for _, ancestor in ipairs(resource.ancestorsOf(id)) do
      places[#places + 1] = { 'tree', ancestor }
    end
  end
  local seen = {}
  for _, place in ipairs(places) do
    local found = lines.heldAt(place[1], place[2], true, function(row)
      if seen[row.id] then
        return nil
      end
      seen[row.id] = true
      for _, claim in ipairs(row.claims) do
        if resource.reachesOver(claim, wanted) then
          return visit(row, claim)
        end
      end
    end)
    if found ~= nil then
      return found
    end
  end
  return nil
end

-- Those who wait for a resource, in order of arrival.
local function waitersOf(step)
  if step.waiters == 0 then
    return {}
  end
  local found, seen = {}, {}
  local asked = { id = step.claim.id, isTree = step.claim.isTree, isExclusive = true }
  lines.waitersAgainst({ asked }, math.huge, function(row)
    if #found >= step.waiters then
      return true
    end
    if not seen[row.id] then
      seen[row.id] = true
      found[#found + 1] = row
    end
  end)
  table.sort(found, function(a, b)
    return a.id < b.id
  end)
  local texts = {}
  for index, row in ipairs(found) do
    texts[index] = module.views.ofWaiter(row)
  end
  return texts
end

-- Who holds a resource, who waits for it, who held it last.
function reading.inspect(step)
  local leases = {}
  reading.coveringLeases(step.claim.id, step.claim.isTree, function(row, claim)
    if #leases >= step.leases then
      return true
    end
    leases[#leases + 1] = module.views.ofLease(row, claim)
  end)
  local previous = module.granting.previousOf({ step.claim })
  return '[13,[' .. table.concat(leases, ',') .. '],[' .. table.concat(waitersOf(step), ',') .. '],' .. previous .. ']'
end

local function listed(member, step)
  local mode, id, request = string.match(member, '^(.)(.-)%z(%d+)$')
  local row = requests.get(tonumber(request))
  if not row or not row.isHeld or not lines.isLive(row) then
    return nil
  end
  if step.agent and row.agent ~= step.agent or turn.now - row.grantedAt < step.minAgeMs then
    return nil
  end
  for _, claim in ipairs(row.claims) do
    if claim.id == id and claim.isExclusive == (mode == 'x') then
      return module.views.ofLease(row, claim)
    end
  end
  return nil
end

-- A page of held claims.
function reading.list(step)
  local page = looks.page(step.prefix, step.after, LIST_PAGE)
  local ids, leases = {}, {}
  for index, member in ipairs(page) do
    ids[index] = tonumber(string.sub(member, -16))
  end
  lines.read(ids, 1, #ids)
  for _, member in ipairs(page) do
    leases[#leases + 1] = listed(member, step)
  end
  local after = #page == LIST_PAGE and cjson.encode(page[#page]) or 'null'
  return '[14,[' .. table.concat(leases, ',') .. '],' .. after .. ']'
end

-- A page of the event log, or its end: the client takes what it asked for out of the entries.
local function events(from, limit, isGap, entries)
  return format('[15,%d,%d,', from, limit) .. (isGap and 'true,' or 'false,') .. entries .. ']'
end

function reading.readEvents(step)
  local meta = turn.meta
  if not step.since then
    return events(meta.lastEvent, 0, false, '[]')
  end
  local epoch, digits = string.match(step.since, '^(%x+)%.(%d+)$')
  local number = tonumber(digits)
  local isKnown = epoch == meta.epoch and #digits <= 16 and (digits == '0' or string.sub(digits, 1, 1) ~= '0')
    and number <= meta.lastEvent
  local oldest = math.max(0, meta.lastEvent - turn.limits.events)
  local from = isKnown and math.max(number, oldest) or oldest
  -- Nothing else is told with it: whoever was told of a gap can go on from its cursor.
  if not isKnown or from > number then
    return events(from, 0, true, '[]')
  end
  local limit = math.min(step.limit, EVENT_PAGE)
  return events(from, limit, false, module.log.after(from, limit))
end

return reading
