-- Who stands in whose way.
local lines = {}

local claims, looks, nodes, requests, resource, sessions, turn =
  module.claims, module.looks, module.nodes, module.requests, module.resource, module.sessions, module.turn

-- Counting waiters stops here: the exact length of a longer line helps nobody.
lines.COUNT_LIMIT = 1000

-- How many entries one look reads at a time.
local PAGE = 64

-- Whether a request still counts: a lease that has not expired, or a waiter with time left and a live session.
function lines.isLive(row)
  if row.dueAt and row.dueAt <= turn.now then
    return false
  end
  if row.isHeld then
    return true
  end
  local session = sessions.get(row.session)
  return session and session.birth == row.birth and turn.isAlive(session)
end

local isLive = lines.isLive

-- Calls back with each place at which a conflict with this claim can stand, until that returns something.
function lines.atPlaces(claim, visit)
  local found = visit('at', claim.id)
  if found ~= nil then
    return found
  end
  if claims.hasTreesAround(claim.id) then
    local ancestors = resource.ancestorsOf(claim.id)
    if #ancestors > 1 then
      for _, ancestor in ipairs(ancestors) do
        nodes.want(ancestor)
      end
      module.rows.fetch()
    end
    for _, ancestor in ipairs(ancestors) do
      found = visit('tree', ancestor)
      if found ~= nil then
        return found
      end
    end
  end
  if claim.isTree then
    return visit('under', claim.id)
  end
  return nil
end

-- The waiter that holds a seeker back at one place, or else the holder.
--
-- A seeker has claims, chain, before (waiting requests from this id on are behind it), and passes, which is set when it
-- met a waiter that waits for its own chain, and now for what it gets as well.
local function blockerAt(place, id, claim, seeker, allowance)
  local before = seeker.before
  while true do
    local waitingId = looks.lastWaiting(place, id, claim.isExclusive, before)
    local waiter = waitingId and requests.get(waitingId)
    if waiter then
      if isLive(waiter) then
        local own = lines.leaseAwaitedBy(waiter, seeker.chain)
        if not own then
          return waiter, nil
        end
        seeker.passes = true
        -- Where the lease covers the claim, every waiter at this place waits for the lease too: none of them counts.
        before = waiter.id
        for _, mine in ipairs(own.claims) do
          if resource.covers(mine, claim) then
            before = 0
            break
          end
        end
      elseif not module.ending.bury(waiter, allowance) then
        return waiter, nil
      end
    else
      local heldId = looks.someHeld(place, id, claim.isExclusive)
      local holder = heldId and requests.get(heldId)
      if not holder or isLive(holder) or not module.ending.bury(holder, allowance) then
        return nil, holder or nil
      end
    end
  end
end

-- Whether nothing stands wherever a conflict with this claim could: what most claims meet.
local function isFree(claim)
  return not claim.isTree and not nodes.isTaken(claim.id) and not claims.hasTreesAround(claim.id)
end

-- Somebody who holds this request back, or nobody. An earlier waiter is preferred to a lease: then the waiters of one
-- line remember one another in a row, and whoever ends wakes just the next.
--
-- What is met on the way and no longer counts is ended, as far as the allowance goes; beyond it a dead entry still
-- holds back, which keeps the order and costs a later step.
function lines.blockerOf(seeker, allowance)
  local held
  for _, claim in ipairs(seeker.claims) do
    if not isFree(claim) then
      local found = lines.atPlaces(claim, function(place, id)
        local waiter, holder = blockerAt(place, id, claim, seeker, allowance)
        held = held or holder
        return waiter
      end)
      if found then
        return found
      end
    end
  end
  return held
end

-- The lease of this chain that a waiter waits for. Such a waiter does not hold the chain's next request back, because
-- it cannot go on before the chain does.
function lines.leaseAwaitedBy(waiter, chain)
  if not chain then
    return nil
  end
  local leases = requests.heldOfChain(chain, PAGE)
  if #leases < PAGE then
    for _, lease in ipairs(leases) do
      if resource.meet(lease.claims, waiter.claims) and isLive(lease) then
        return lease
      end
    end
    return nil
  end
  return lines.holdersAgainst(waiter.claims, function(holder)
    if holder.chain == chain then
      return holder
    end
  end)
end

local function alive(list)
  local found = {}
  for _, row in ipairs(list) do
    if isLive(row) then
      found[#found + 1] = row
    end
  end
  return found
end

-- The live leases of a chain, or the first of them.
function lines.leasesOfChain(chain, limit)
  return alive(requests.heldOfChain(chain, limit))
end

-- The live waiting requests of a chain.
function lines.openRequestsOf(chain)
  return alive(requests.waitingOfChain(chain, PAGE))
end

-- Reads requests in one command, and notes that it may be asked who waits for them.
function lines.read(ids, first, last)
  for index = first, last do
    requests.want(ids[index])
  end
  module.rows.fetch()
  for index = first, last do
    local row = requests.get(ids[index])
    for _, claim in ipairs(row and row.claims or {}) do
      nodes.want(claim.id)
    end
  end
end

-- Where nobody but one can hold: that one.
local function onlyHolderAt(node, visit)
  local row = node.exclusive > 0 and requests.get(node.exclusive)
  if row and row.isHeld and isLive(row) then
    return visit(row)
  end
  return nil
end

local function readPage(ids, first)
  lines.read(ids, first, math.min(first + PAGE - 1, #ids))
end

-- Calls back with each live lease at a place that conflicts with a claim of this mode, until that returns something.
function lines.heldAt(place, id, isExclusive, visit)
  if place == 'at' then
    local node = nodes.get(id)
    if not isExclusive or node.shared == 0 then
      return onlyHolderAt(node, visit)
    end
  end
  local limit = place == 'under' and lines.COUNT_LIMIT or PAGE
  local after = 0
  while true do
    local ids = looks.held(place, id, isExclusive, after, limit)
    for index, each in ipairs(ids) do
      if index % PAGE == 1 then
        readPage(ids, index)
      end
      local row = requests.get(each)
      if row and row.isHeld and isLive(row) then
        local found = visit(row)
        if found ~= nil then
          return found
        end
      end
    end
    if #ids < limit or place == 'under' then
      return nil
    end
    after = ids[#ids]
  end
end

-- Likewise with each live lease that conflicts with any of these claims.
function lines.holdersAgainst(list, visit)
  for _, claim in ipairs(list) do
    local found = lines.atPlaces(claim, function(place, id)
      return lines.heldAt(place, id, claim.isExclusive, visit)
    end)
    if found ~= nil then
      return found
    end
  end
  return nil
end

-- Likewise with each live waiting request before `before` that conflicts with any of these claims.
function lines.waitersAgainst(list, before, visit)
  for _, claim in ipairs(list) do
    local found = lines.atPlaces(claim, function(place, id)
      local after = 0
      while true do
        local ids = looks.waiting(place, id, claim.isExclusive, after, before, PAGE)
        readPage(ids, 1)
        for _, each in ipairs(ids) do
          local row = requests.get(each)
          if row and isLive(row) then
            local stop = visit(row)
            if stop ~= nil then
              return stop
            end
          end
        end
        if #ids < PAGE then
          return nil
        end
        after = ids[#ids]
      end
    end)
    if found ~= nil then
      return found
    end
  end
  return nil
end

-- How many waiting claims before `before` conflict with this one, counted up to `limit`.
function lines.countWaiters(claim, before, limit)
  limit = limit or lines.COUNT_LIMIT
  if not claim.isTree and turn.meta.trees == 0 then
    return looks.countWaiting('at', claim.id, claim.isExclusive, before, limit)
  end
  local count = 0
  lines.atPlaces(claim, function(place, id)
    if count < limit then
      count = count + looks.countWaiting(place, id, claim.isExclusive, before, limit - count)
    end
  end)
  return count
end

-- Whether anybody waits for a claim of this lease.
function lines.isAwaited(row)
  for _, claim in ipairs(row.claims) do
    local isAwaited = lines.atPlaces(claim, function(place, id)
      return looks.countWaiting(place, id, claim.isExclusive, math.huge, 1) > 0 or nil
    end)
    if isAwaited then
      return true
    end
  end
  return false
end

return lines
