-- How requests end.
local ending = {}

local requests, sessions, turn = module.requests, module.sessions, module.turn
local format = string.format

local function leave(row)
  requests.delete(row)
  turn.noteEnd(row.id)
end

local function leaveLine(row)
  leave(row)
  ending.stopWaiting(row)
end

local function remember(row)
  if turn.limits.previous == 0 then
    return
  end
  local wallUntil = turn.wallNow - (turn.now - math.min(turn.now, row.dueAt))
  local text = format('[%d,%d,', wallUntil, row.fence) .. row.agent .. ',' .. (row.reason or 'null') .. ']'
  for _, claim in ipairs(row.claims) do
    module.previous.put(claim.id, text)
  end
end

-- The sessions of a lease's owners, each once.
function ending.sessionsOf(row)
  if not row.owners then
    return { row.session }
  end
  local found, seen = {}, {}
  for index = 2, #row.owners, 2 do
    local session = row.owners[index]
    if not seen[session] then
      seen[session] = true
      found[#found + 1] = session
    end
  end
  return found
end

-- Ends a lease: its resources are free, its end is logged, whoever lost it is told. `how` is released, expired or
-- forced, and `forced` then JSON of by whom and why. Returns the event's number.
function ending.endLease(row, how, forced)
  leave(row)
  -- Whoever waits for this lease did not hold back its chain's open request, and may do so from now on.
  if row.chain and row.isWanted then
    turn.narrow(row.chain)
  end
  remember(row)
  local heldMs = format('%d', math.max(0, math.min(turn.now, row.dueAt) - row.grantedAt))
  local letter = how == 'expired' and 'x' or 'u'
  local cursor = turn.log(letter, row, format('%d', row.fence), heldMs, 'null', forced or 'null')
  if how ~= 'released' then
    local loss = '{"kind":"' .. how .. '"' .. (forced and ',' .. string.sub(forced, 2) or '}')
    local body = format('2,%d,', row.id) .. loss .. ',' .. heldMs .. format(',%d', cursor)
    for _, session in ipairs(ending.sessionsOf(row)) do
      turn.post(session, body)
    end
  end
  return cursor
end

local function waitedMs(row)
  return format('%d', turn.now - row.queuedAt)
end

-- Takes a waiting request out of the line. Returns the event's number.
function ending.endWait(row)
  leaveLine(row)
  return turn.log('a', row, 'null', 'null', waitedMs(row), 'null')
end

-- Takes a request that turned out to wait for itself out of the line, and tells it. The cycle is JSON.
function ending.endDeadlocked(row, cycle)
  leaveLine(row)
  local cursor = turn.log('d', row, 'null', 'null', waitedMs(row), 'null')
  turn.post(row.session, format('3,%d,', row.id) .. cycle .. format(',%d', cursor))
end

-- Ends a request that no longer counts, if the allowance still has room; says whether it did.
function ending.bury(row, allowance)
  if allowance.left <= 0 then
    return false
  end
  allowance.left = allowance.left - 1
  if row.isHeld then
    ending.endLease(row, 'expired')
  else
    ending.endWait(row)
  end
  return true
end

-- One request less waits for this session.
function ending.stopWaiting(row)
  local session = sessions.get(row.session)
  if session then
    session.waiting = session.waiting - 1
    sessions.put(session)
  end
  if row.chain then
    turn.narrow(row.chain)
  end
end

return ending
