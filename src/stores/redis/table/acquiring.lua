-- Grants a request, puts it in line, or says why neither.
local acquiring = {}

local granting, lines, requests, resource, sessions, turn =
  module.granting, module.lines, module.requests, module.resource, module.sessions, module.turn
local format = string.format

local function coversAll(row, list)
  for _, claim in ipairs(list) do
    local isCovered = false
    for _, mine in ipairs(row.claims) do
      isCovered = isCovered or resource.covers(mine, claim)
    end
    if not isCovered then
      return false
    end
  end
  return true
end

-- A live lease that the request may share: one that the caller proves to hold, or one of the same chain.
local function enterable(step)
  local given = step.holding and module.holding.ownLease(step.holding.id, step.holding.token)
  if given and coversAll(given, step.claims) then
    return given
  end
  if not step.reentrant or not step.chain then
    return nil
  end
  return module.reading.coveringLeases(step.claims[1].id, step.claims[1].isTree, function(row)
    if row.chain == step.chain and coversAll(row, step.claims) then
      return row
    end
  end)
end

-- Re-entry mints nothing; the lease ends when its last owner lets go of it.
local function enter(step, session)
  local row = enterable(step)
  if not row then
    return nil
  end
  row.owners = row.owners or { row.hash, row.session }
  row.owners[#row.owners + 1] = turn.hash(step.token)
  row.owners[#row.owners + 1] = session.id
  requests.update(row)
  granting.keep(row, session.id)
  return '[2,' .. granting.sharedView(row) .. ']'
end

local function newRow(step, session, blocker)
  local id = turn.takeId()
  return {
    id = id,
    padded = module.indexes.padded(id),
    session = session.id,
    birth = session.birth,
    agent = step.agent,
    chain = step.chain,
    claims = step.claims,
    ttlMs = step.maxHoldMs and math.min(step.ttlMs, step.maxHoldMs) or step.ttlMs,
    maxHoldMs = step.maxHoldMs,
    reason = step.reason,
    metadata = step.metadata,
    hash = turn.hash(step.token),
    queuedAt = turn.now,
    dueAt = step.waitMs and turn.now + step.waitMs,
    blocker = blocker,
    follower = false,
    isHeld = false,
    isConfirmed = false,
    isWanted = false,
    isTouched = false,
    isListed = false,
    fence = false,
    grantedAt = false,
    wallLockedAt = false,
    owners = false,
    subject = false,
    isNew = true,
    isChanged = true,
    indexedDue = false,
    indexedWanted = false,
    indexedBlocker = false,
    isIndexedHeld = false,
  }
end

local function joinLine(row)
  requests.insert(row)
  local session = sessions.get(row.session)
  if session then
    session.waiting = session.waiting + 1
    sessions.put(session)
  end
  granting.tellHolders(row)
  return format('[3,%d,%d]', row.id, turn.log('w', row, 'null', 'null', 'null', 'null'))
end

local function busy(step, before)
  local view = module.views.ofBusy(step.claims, before)
  return '[4,[' .. table.concat(view.views, ',') .. format('],%d]', view.ahead)
end

function acquiring.acquire(step, session)
  local shared = (step.holding or step.reentrant) and enter(step, session)
  if shared then
    return shared
  end
  local before = turn.meta.lastId + 1
  local seeker = { claims = step.claims, chain = step.chain, before = before, passes = false }
  local blocker = lines.blockerOf(seeker, turn.touched)
  if not blocker then
    return '[1,' .. granting.grantNew(newRow(step, session, false), seeker.passes) .. ']'
  end
  if step.waitMs == 0 then
    return lines.isLive(blocker) and busy(step, before) or '[6]'
  end
  local suspect = { claims = step.claims, chain = step.chain, before = before, agent = step.agent, queuedAt = turn.now }
  local cycle = module.deadlock.findCycle(suspect)
  if cycle then
    return '[5,' .. cycle .. format(',%d]', turn.log('d', step, 'null', 'null', 'null', 'null'))
  end
  return joinLine(newRow(step, session, blocker.id))
end

return acquiring
