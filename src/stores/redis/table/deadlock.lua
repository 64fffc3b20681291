-- Requests that would wait for themselves. Waits-for graph after Coffman, Elphick and Shoshani, "System Deadlocks"
-- (1971), for single units of each resource.
local deadlock = {}

local lines, looks, resource, turn = module.lines, module.looks, module.resource, module.turn

-- A search looks at no more edges than this.
local EDGE_LIMIT = 1000

-- Of a chain with fewer leases than this, each is checked for waiters before the search starts.
local FEW_LEASES = 64

-- A suspect is a request that is about to wait, or waits already: claims, chain, before, agent, queuedAt.
local function suspectOf(row)
  return { claims = row.claims, chain = row.chain, before = row.id, agent = row.agent, queuedAt = row.queuedAt }
end

-- Where two requests meet, seen from the first: JSON.
local function link(from, to, sinceAt, state)
  local claim = resource.firstMeeting(from.claims, to.claims) or from.claims[1]
  return '[' .. from.agent .. ',' .. resource.json(claim) .. string.format(',%d,"%s"]', sinceAt, state)
end

-- A cycle is JSON of its links, joined; an empty one is where the suspect itself is met again.
local function joined(first, rest)
  return rest == '' and first or first .. ',' .. rest
end

-- A depth-first search from a request along what it waits for (conflicting live leases and earlier live waiters), and
-- from a lease to the one open request of its chain.
local function newSearch(chain, suspectId)
  local search = { edges = 0 }
  local visited = {}

  local function isExhausted()
    search.edges = search.edges + 1
    return search.edges > EDGE_LIMIT
  end

  -- The cycle through a holder, seen from its waiter.
  local function throughHolder(row, waiter)
    if not row.chain or not row.isHeld or visited[row.id] then
      return nil
    end
    if row.chain == chain then
      return link(row, waiter, row.grantedAt, 'holds')
    end
    visited[row.id] = true
    local open = lines.openRequestsOf(row.chain)
    if #open ~= 1 or visited[open[1].id] then
      return nil
    end
    visited[open[1].id] = true
    local rest = search.from(suspectOf(open[1]))
    return rest and joined(link(row, waiter, row.grantedAt, 'holds'), rest)
  end

  local function throughWaiter(row)
    if row.id == suspectId then
      return ''
    end
    if row.isHeld or visited[row.id] then
      return nil
    end
    visited[row.id] = true
    if row.chain and #lines.openRequestsOf(row.chain) > 1 then
      return nil
    end
    return search.from(suspectOf(row))
  end

  function search.from(waiter)
    local isStopped = false
    local found = lines.holdersAgainst(waiter.claims, function(holder)
      if isExhausted() then
        isStopped = true
        return false
      end
      local rest = throughHolder(holder, waiter)
      return rest and joined(link(waiter, holder, waiter.queuedAt, 'waits'), rest)
    end)
    if found or isStopped then
      return found or nil
    end
    found = lines.waitersAgainst(waiter.claims, waiter.before, function(earlier)
      if isExhausted() then
        return false
      end
      -- The grant rule lets a request pass a waiter that waits for its own chain: that is no edge.
      if lines.leaseAwaitedBy(earlier, waiter.chain) then
        return nil
      end
      local rest = throughWaiter(earlier)
      return rest and joined(link(waiter, earlier, waiter.queuedAt, 'waits'), rest)
    end)
    return found or nil
  end

  return search
end

-- Whether anybody, the suspect itself included, waits for one of these leases. Else there can be no cycle.
local function isAnyAwaited(leases, suspect)
  for _, row in ipairs(leases) do
    if resource.meet(row.claims, suspect.claims) or lines.isAwaited(row) then
      return true
    end
  end
  return false
end

-- Whether anybody stands in line behind a suspect that waits already, and so may wait for it.
local function isFollowed(suspect)
  if suspect.before > turn.meta.lastId then
    return false
  end
  for _, claim in ipairs(suspect.claims) do
    local isMet = lines.atPlaces(claim, function(place, id)
      return #looks.waiting(place, id, claim.isExclusive, suspect.before, math.huge, 1) > 0 or nil
    end)
    if isMet then
      return true
    end
  end
  return false
end

-- The cycle, as JSON, if this request would wait for its own chain, or for itself where it stands in line already.
--
-- A chain with two open requests is not sequential, so neither its requests nor its leases lead anywhere. The search
-- gives up after 1 000 edges, which is counted.
function deadlock.findCycle(suspect)
  if not suspect.chain then
    return nil
  end
  local leases = lines.leasesOfChain(suspect.chain, FEW_LEASES)
  for _, row in ipairs(lines.openRequestsOf(suspect.chain)) do
    if row.id ~= suspect.before then
      return nil
    end
  end
  if #leases < FEW_LEASES and not isAnyAwaited(leases, suspect) and not isFollowed(suspect) then
    return nil
  end
  local search = newSearch(suspect.chain, suspect.before)
  local cycle = search.from(suspect)
  if not cycle and search.edges > EDGE_LIMIT then
    turn.meta.unchecked = turn.meta.unchecked + 1
  end
  return cycle and '[' .. cycle .. ']'
end

-- Checks the chains that have fallen back to one open request: until now none of their edges counted.
function deadlock.checkNarrowedChains()
  while turn.hasNarrowed() do
    local open = lines.openRequestsOf(turn.takeNarrowed())
    local cycle = #open == 1 and deadlock.findCycle(suspectOf(open[1]))
    if cycle then
      module.ending.endDeadlocked(open[1], cycle)
    end
  end
end

return deadlock
