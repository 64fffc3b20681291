-- What is told of requests, as JSON.
local views = {}

local lines, resource = module.lines, module.resource
local format = string.format

-- An explanation names no more holders than this.
local NAMED_HOLDERS = 16

-- What anybody may know of one claim of a lease.
function views.ofLease(row, claim)
  return '[' .. resource.json(claim) .. ',' .. module.turn.subjectOf(row)
    .. format(
      ',%d,%d,%d,%d]',
      row.wallLockedAt, row.dueAt, row.fence, lines.countWaiters(claim, math.huge)
    )
end

function views.ofWaiter(row)
  return '[' .. module.turn.subjectOf(row) .. format(',%d]', row.queuedAt)
end

-- Why these claims are not to be had now: the leases that hold what they need, each with its JSON in `views` and its
-- token in `fences`, and how many wait in front.
function views.ofBusy(list, before)
  local found, fences, seen = {}, {}, {}
  lines.holdersAgainst(list, function(row)
    if #found >= NAMED_HOLDERS then
      return true
    end
    local claim = resource.firstMeeting(row.claims, list)
    if claim and not seen[row.id] then
      seen[row.id] = true
      found[#found + 1] = views.ofLease(row, claim)
      fences[#fences + 1] = row.fence
    end
  end)
  local ahead = 0
  for _, claim in ipairs(list) do
    ahead = math.max(ahead, lines.countWaiters(claim, before))
  end
  return { views = found, fences = fences, ahead = ahead }
end

return views
