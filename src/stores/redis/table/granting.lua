-- How requests are granted, and who is told of what.
local granting = {}

local ending, lines, requests, resource, sessions, turn =
  module.ending, module.lines, module.requests, module.resource, module.sessions, module.turn
local format = string.format
local isLive = lines.isLive

-- A waiter tells no more holders than this that somebody waits for them.
local TOLD_HOLDERS = 64

-- How many claims wait for these, whoever was first.
local function countAll(row, limit)
  limit = limit or lines.COUNT_LIMIT
  local count = 0
  local list = row.claims
  for index = 1, #list do
    count = count + lines.countWaiters(list[index], math.huge, limit - count)
  end
  return count
end

-- How often a waiting request is counted among those that wait for these claims, its own included.
local function pairsBetween(one, other)
  local count = 0
  local ours, theirs = one.claims, other.claims
  for mine = 1, #ours do
    for their = 1, #theirs do
      if resource.conflicts(ours[mine], theirs[their]) then
        count = count + 1
      end
    end
  end
  return count
end

local function giveLease(row, isConfirmed, isWanted)
  row.isHeld = true
  row.isConfirmed = isConfirmed
  row.isWanted = isWanted
  row.fence = turn.takeFence()
  row.grantedAt = turn.now
  row.wallLockedAt = turn.wallNow
  row.owners = false
end

-- Who held the resources of some claims last, as far as that is still known: a JSON list.
function granting.previousOf(list)
  local limits = turn.limits
  if limits.previous == 0 then
    return '[]'
  end
  local oldest = turn.wallNow - limits.previousMs
  if #list == 1 then
    local view = module.previous.get(list[1].id, oldest)
    return view and '[[' .. resource.quoted(list[1].id) .. ',' .. string.sub(view, 2) .. ']' or '[]'
  end
  local found, seen = {}, {}
  for _, claim in ipairs(list) do
    local view = not seen[claim.id] and module.previous.get(claim.id, oldest)
    if view then
      seen[claim.id] = true
      found[#found + 1] = '[' .. resource.quoted(claim.id) .. ',' .. string.sub(view, 2)
    end
  end
  return '[' .. table.concat(found, ',') .. ']'
end

-- A lease as its holder learns of it: the inside of a JSON list.
local function grantView(row, waiters, waitedMs, cursor)
  return format('%d,%d,%d,%d,%d,%d,%d,', row.id, row.fence, row.wallLockedAt, row.dueAt, waiters, waitedMs, cursor)
    .. granting.previousOf(row.claims)
end

local function describeGrant(row, waitedMs, waiters)
  local cursor = turn.log('l', row, format('%d', row.fence), 'null', format('%d', waitedMs), 'null')
  return grantView(row, waiters, waitedMs, cursor)
end

-- A lease as it is told to one who comes to share it: that is no event, and nobody waited for it.
function granting.sharedView(row)
  return grantView(row, 0, 0, 0)
end

-- Remembers a session for at least as long as a lease can last.
function granting.keep(row, sessionId)
  local session = sessions.get(sessionId)
  if session and session.keepUntil < row.dueAt then
    session.keepUntil = row.dueAt
    sessions.put(session)
  end
end

-- Gives a new request its lease at once. Its client knows when it asked, so the lease is full from the start.
function granting.grantNew(row, isAwaited)
  row.dueAt = turn.now + row.ttlMs
  giveLease(row, true, isAwaited)
  requests.insert(row)
  granting.keep(row, row.session)
  return describeGrant(row, 0, isAwaited and countAll(row) or 0)
end

-- Whoever is in line for this lease no longer holds back the later requests of the lease's chain, and they remember
-- none but him: they are looked at again, each under a number of its own that nobody else waits behind.
local function lookAgainAtChain(held)
  if not held.chain then
    return
  end
  for _, row in ipairs(requests.waitingOfChain(held.chain, lines.COUNT_LIMIT)) do
    local blocker = row.id >= held.id and row.blocker and requests.get(row.blocker)
    if blocker and not blocker.isHeld and resource.meet(blocker.claims, held.claims) then
      row.blocker = -row.id
      requests.update(row)
      turn.noteEnd(-row.id)
    end
  end
end

-- Gives a waiting request its lease and tells its session. Until the session confirms, the lease also ends when the
-- session would be dead: so a grant to a process that has just died costs the dead time once, never a whole lease.
local function grantWaiting(row)
  local session = sessions.get(row.session)
  local deadAt = session and session.seenAt + session.deadMs or turn.now
  local waiters = countAll(row) - pairsBetween(row, row)
  row.blocker = false
  row.dueAt = math.min(turn.now + row.ttlMs, deadAt)
  giveLease(row, false, waiters > 0)
  requests.update(row)
  ending.stopWaiting(row)
  granting.keep(row, row.session)
  lookAgainAtChain(row)
  turn.post(row.session, '1,' .. describeGrant(row, turn.now - row.queuedAt, waiters))
end

-- Where an extension moves the expiry: never earlier than it stands, never beyond the longest hold.
function granting.laterExpiry(row, ttlMs)
  local latest = row.maxHoldMs and row.grantedAt + row.maxHoldMs or math.huge
  return math.max(row.dueAt, math.min(turn.now + ttlMs, latest))
end

-- The session knows of its lease: from now on it lasts as long as was asked for, also where somebody who shares it has
-- extended it before.
function granting.confirm(id)
  local row = requests.get(id)
  if not row or not row.isHeld or not isLive(row) then
    return
  end
  row.isConfirmed = true
  row.dueAt = granting.laterExpiry(row, row.ttlMs)
  requests.update(row)
  granting.keep(row, row.session)
end

local function tellWanted(row)
  row.isWanted = true
  requests.update(row)
  local body = format('4,%d,%d', row.id, countAll(row))
  for _, session in ipairs(ending.sessionsOf(row)) do
    turn.post(session, body)
  end
end

local function isOnlyWaiter(waiter, holder)
  local own = pairsBetween(waiter, holder)
  return countAll(holder, own + 1) == own
end

-- Tells those who hold what a waiter asks for that somebody starts to wait: each whenever nobody did before.
function granting.tellHolders(waiter)
  local seen, count = {}, 0
  lines.holdersAgainst(waiter.claims, function(holder)
    if count >= TOLD_HOLDERS then
      return true
    end
    if not seen[holder.id] then
      seen[holder.id] = true
      count = count + 1
      if not holder.isWanted or isOnlyWaiter(waiter, holder) then
        tellWanted(holder)
      end
    end
  end)
end

-- Who holds back a request that waits, or nobody.
local function blockerOf(waiter)
  if module.followers.isHeir(waiter) then
    local node = module.nodes.get(waiter.claims[1].id)
    if node.exclusive == 0 and node.shared == 0 then
      return nil
    end
  end
  local seeker = { claims = waiter.claims, chain = waiter.chain, before = waiter.id, passes = false }
  return lines.blockerOf(seeker, turn.passing)
end

local function look(waiter)
  if not isLive(waiter) then
    ending.bury(waiter, turn.passing)
    return
  end
  turn.passing.left = turn.passing.left - 1
  local blocker = blockerOf(waiter)
  if not blocker then
    return grantWaiting(waiter)
  end
  waiter.blocker = blocker.id
  requests.update(waiter)
  if blocker.isHeld and not blocker.isWanted then
    tellWanted(blocker)
  end
end

-- Looks at those who waited for one that has ended; says whether the allowance was enough for all of them.
function granting.settleOne(ended)
  local limit = turn.passing.left
  if limit <= 0 then
    return false
  end
  local waiters = module.followers.behind(ended, limit)
  for index = 1, #waiters do
    if turn.passing.left <= 0 then
      return false
    end
    look(waiters[index])
  end
  return #waiters < limit
end

-- Looks at those who waited for what has ended, in the order in which it ended, and grants what has become grantable.
-- What goes beyond the batch's allowance is noted down for the next batch.
function granting.settle()
  local ended = turn.nextEnded()
  while ended do
    if not granting.settleOne(ended) then
      return
    end
    turn.dropEnded()
    ended = turn.nextEnded()
  end
end

return granting
