-- Ends what has expired and those who wait for a dead session, and grants what that frees: as much as one batch may,
-- whoever sends it. So an expiry is met by the next step of anybody.
local sweeping = {}

local ending, granting, requests, sessions, turn =
  module.ending, module.granting, module.requests, module.sessions, module.turn

-- How many due rows are read at a time.
local PAGE = 64

-- A session that holds nothing any more is remembered for this long, so that a late copy of a batch is still refused.
local REMEMBER_MS = 60000

-- Goes on with what earlier batches left, and reads no more of it than this one can settle.
local function resume()
  local meta, passing = turn.meta, turn.passing
  while meta.unsettled > 0 and passing.left > 0 do
    local left = module.unsettled.first(PAGE)
    -- One that was noted twice is stored once: the count must not promise what is not there.
    if #left == 0 then
      meta.unsettled = 0
    end
    for _, id in ipairs(left) do
      if not granting.settleOne(id) then
        return
      end
      module.unsettled.delete(id)
      meta.unsettled = meta.unsettled - 1
    end
  end
end

local function endWhatIsDue()
  local passing = turn.passing
  while passing.left > 0 do
    local limit = math.min(PAGE, passing.left)
    local due = requests.due(turn.now, limit)
    for _, row in ipairs(due) do
      ending.bury(row, passing)
    end
    if #due < limit then
      return
    end
  end
end

-- Takes the dead session's waiters out of their lines; of one that came back, only those of earlier births. Says
-- whether it came to the end.
local function abandonWaiters(session, isAlive)
  local passing = turn.passing
  while passing.left > 0 do
    local limit = math.min(PAGE, passing.left)
    local waiters = requests.waitingOf(session.id, limit)
    for _, waiter in ipairs(waiters) do
      if isAlive and waiter.birth == session.birth then
        return true
      end
      passing.left = passing.left - 1
      ending.endWait(waiter)
    end
    if #waiters < limit then
      return true
    end
  end
  return false
end

local function lookAtSession(session)
  local isAlive = turn.isAlive(session)
  if session.waiting > 0 and (not isAlive or session.isHaunted) and not abandonWaiters(session, isAlive) then
    return
  end
  local dueAt = math.max(session.seenAt, session.keepUntil) + REMEMBER_MS
  if isAlive then
    dueAt = session.seenAt + session.deadMs
  end
  if dueAt <= turn.now then
    return sessions.delete(session.id)
  end
  session.isHaunted = false
  session.dueAt = dueAt
  sessions.put(session)
end

local function lookAtSessions()
  local passing = turn.passing
  while passing.left > 0 do
    local limit = math.min(PAGE, passing.left)
    local due = sessions.due(turn.now, limit)
    for _, id in ipairs(due) do
      sessions.want(id)
    end
    module.rows.fetch()
    for _, id in ipairs(due) do
      if passing.left <= 0 then
        return
      end
      passing.left = passing.left - 1
      lookAtSession(sessions.get(id))
    end
    if #due < limit then
      return
    end
  end
end

-- The session is dead from now on: the sweep takes away what it leaves behind.
function sweeping.leave(session)
  local waiters = requests.waitingOf(session.id, turn.touched.left)
  turn.touched.left = turn.touched.left - #waiters
  for _, waiter in ipairs(waiters) do
    ending.endWait(waiter)
  end
  local row = sessions.get(session.id)
  if row then
    row.seenAt = turn.now - row.deadMs
    row.dueAt = turn.now
    sessions.put(row)
  end
  return '[11]'
end

function sweeping.sweep()
  local meta = turn.meta
  if meta.unsettled == 0 and turn.now < meta.nextDue and turn.now < meta.nextLook and not turn.nextEnded() then
    return
  end
  -- What ended before comes first, or a long row of expiries would keep those who wait for them waiting until its end.
  if turn.meta.unsettled > 0 then
    resume()
  end
  granting.settle()
  endWhatIsDue()
  lookAtSessions()
  granting.settle()
end

-- Notes down what the allowance did not reach. Says whether anything is left to do.
function sweeping.suspend()
  local meta = turn.meta
  local left = turn.leftEnded()
  if #left > 0 then
    for _, id in ipairs(left) do
      module.followers.keep(id)
    end
    module.unsettled.add(left)
    meta.unsettled = meta.unsettled + #left
  end
  return meta.unsettled > 0 or turn.passing.left <= 0 or turn.touched.left <= 0
end

return sweeping
