-- What holders and waiters do with what is theirs, and what an administrator does with what is not.
local holding = {}

local ending, lines, requests, turn = module.ending, module.lines, module.requests, module.turn
local format = string.format

local function isOwnedBy(row, hash)
  if not row.owners then
    return row.hash == hash
  end
  for index = 1, #row.owners, 2 do
    if row.owners[index] == hash then
      return true
    end
  end
  return false
end

local function expire(row)
  ending.bury(row, turn.touched)
  return 0
end

-- The live lease that the caller proves to own.
function holding.ownLease(id, token)
  local row = requests.get(id)
  if not row or not row.isHeld or not isOwnedBy(row, turn.hash(token)) then
    return nil
  end
  if lines.isLive(row) then
    return row
  end
  expire(row)
  return nil
end

-- The owner with this hash lets go of a lease; where there is only one, it is that one. Returns the outcome without its
-- first word: whether the lease goes on, how long it was held, the event's number.
local function letGo(row, hash, how)
  local left = {}
  for index = 1, row.owners and #row.owners or 0, 2 do
    if row.owners[index] ~= hash then
      left[#left + 1] = row.owners[index]
      left[#left + 1] = row.owners[index + 1]
    end
  end
  local heldMs = turn.now - row.grantedAt
  if #left == 0 then
    return false, heldMs, ending.endLease(row, how)
  end
  row.owners = left
  requests.update(row)
  return true, heldMs, 0
end

-- Moves the expiry of one's own live lease.
function holding.extend(step)
  local row = holding.ownLease(step.id, step.token)
  if not row or (step.fence >= 0 and step.fence ~= row.fence) then
    return '[8]'
  end
  if step.ttlMs == 0 then
    return format('[7,%d,0]', row.dueAt)
  end
  -- The first extension also confirms the lease, and confirming starts the full lease.
  local ttlMs = row.isConfirmed and step.ttlMs or math.max(step.ttlMs, row.ttlMs)
  row.dueAt = module.granting.laterExpiry(row, ttlMs)
  row.isConfirmed = true
  requests.update(row)
  module.granting.keep(row, row.session)
  local cursor = step.isAutomatic and 0 or turn.log('e', row, format('%d', row.fence), 'null', 'null', 'null')
  return format('[7,%d,%d]', row.dueAt, cursor)
end

-- Lets go of one's own lease; the lease itself ends with its last owner.
function holding.release(step)
  local row = holding.ownLease(step.id, step.token)
  if not row then
    return '[9,false,false,0,0]'
  end
  local isShared, heldMs, cursor = letGo(row, turn.hash(step.token), step.isExpired and 'expired' or 'released')
  return (isShared and '[9,true,true,' or '[9,true,false,') .. format('%d,%d]', heldMs, cursor)
end

local function leave(row, step)
  if not row then
    return 0, 0
  end
  if not row.isHeld then
    return turn.now - row.queuedAt, ending.endWait(row)
  end
  if not lines.isLive(row) then
    return 0, expire(row)
  end
  local _, _, cursor = letGo(row, turn.hash(step.token), 'released')
  return 0, cursor
end

-- Leaves the line. A grant that crossed the step is ended with it.
function holding.cancel(step)
  local row = requests.get(step.id)
  row = row and row.hash == turn.hash(step.token) and row
  local others, ahead = {}, 0
  if step.explain then
    local view = module.views.ofBusy(step.explain, step.id)
    ahead = view.ahead
    for index, text in ipairs(view.views) do
      if not row or view.fences[index] ~= row.fence then
        others[#others + 1] = text
      end
    end
  end
  local waitedMs, cursor = leave(row, step)
  return '[10,[' .. table.concat(others, ',') .. format('],%d,%d,%d]', ahead, waitedMs, cursor)
end

-- Lets go of a lease for which the client has no handle. Whoever has entered it since is not concerned.
function holding.handBack(step, session)
  local row = requests.get(step.id)
  if row and row.isHeld and row.session == session.id and row.fence == step.fence then
    if lines.isLive(row) then
      letGo(row, row.hash, 'released')
    else
      expire(row)
    end
  end
  return '[11]'
end

-- Ends the live leases that cover a resource, as many as one step may.
function holding.force(step)
  local ended = {}
  local isUnfinished = module.reading.coveringLeases(step.claim.id, step.claim.isTree, function(row, claim)
    if step.fence and row.fence ~= step.fence then
      return nil
    end
    if turn.touched.left <= 0 then
      return true
    end
    turn.touched.left = turn.touched.left - 1
    ended[#ended + 1] = module.views.ofLease(row, claim)
    ending.endLease(row, 'forced', step.forced)
  end)
  return '[12,[' .. table.concat(ended, ',') .. '],' .. (isUnfinished and 'true' or 'false') .. ']'
end

return holding
