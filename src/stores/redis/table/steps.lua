-- A batch as it crosses the wire, and as the table works with it. `wire.ts` writes what this reads.
local steps = {}

local nodes, requests, resource = module.nodes, module.requests, module.resource

-- What the wire says with 0 is absent.
local function given(value)
  return value ~= 0 and value or false
end

local DECODERS = {
  a = function(wire)
    local step = {
      token = wire[2],
      agent = wire[3],
      claims = resource.claims(wire[4]),
      ttlMs = wire[5],
      waitMs = wire[6] >= 0 and wire[6],
      chain = given(wire[7]),
    }
    local more = wire[8]
    if more then
      step.reentrant = more[1] == 1
      step.holding = more[2] ~= 0 and { id = more[2], token = more[3] }
      step.maxHoldMs = more[4] >= 0 and more[4]
      step.reason = given(more[5])
      step.metadata = given(more[6])
    else
      step.reentrant, step.holding, step.maxHoldMs, step.reason, step.metadata = false, false, false, false, false
    end
    return step
  end,
  e = function(wire)
    return { id = wire[2], token = wire[3], ttlMs = wire[4], isAutomatic = wire[5] == 1, fence = wire[6] }
  end,
  r = function(wire)
    return { id = wire[2], token = wire[3], isExpired = wire[4] == 1 }
  end,
  c = function(wire)
    return { id = wire[2], token = wire[3], explain = wire[4] ~= 0 and resource.claims(wire[4]) }
  end,
  h = function(wire)
    return { id = wire[2], fence = wire[3] }
  end,
  f = function(wire)
    return { claim = resource.claim(wire[2]), fence = wire[3] >= 0 and wire[3], forced = wire[4] }
  end,
  i = function(wire)
    return { claim = resource.claim(wire[2]), leases = wire[3], waiters = wire[4] }
  end,
  l = function(wire)
    return { prefix = wire[2], agent = given(wire[3]), minAgeMs = wire[4], after = given(wire[5]) }
  end,
  v = function(wire)
    return { since = given(wire[2]), limit = wire[3] }
  end,
  g = function()
    return {}
  end,
}

-- Short ways for what most steps are.
local SHORTCUTS = {
  a = function(wire, session)
    return module.alone.acquire(wire, session)
  end,
  r = function(wire)
    return module.alone.release(wire)
  end,
}

local EXECUTORS = {
  a = function(step, session)
    return module.acquiring.acquire(step, session)
  end,
  e = function(step)
    return module.holding.extend(step)
  end,
  r = function(step)
    return module.holding.release(step)
  end,
  c = function(step)
    return module.holding.cancel(step)
  end,
  h = function(step, session)
    return module.holding.handBack(step, session)
  end,
  f = function(step)
    return module.holding.force(step)
  end,
  i = function(step)
    return module.reading.inspect(step)
  end,
  l = function(step)
    return module.reading.list(step)
  end,
  v = function(step)
    return module.reading.readEvents(step)
  end,
  g = function(_, session)
    return module.sweeping.leave(session)
  end,
}

local ONLY_LOOKS = { i = true, l = true, v = true }
local OF_A_REQUEST = { e = true, r = true, c = true, h = true }

-- Whether a batch wants no more than to look: such a one does not make a session.
function steps.onlyLook(list)
  for _, wire in ipairs(list) do
    if not ONLY_LOOKS[wire[1]] then
      return false
    end
  end
  return #list > 0
end

-- Notes which rows the steps will need, as far as they say.
function steps.want(list, limits)
  for _, wire in ipairs(list) do
    local letter = wire[1]
    if letter == 'a' then
      local texts = wire[4]
      for index = 1, type(texts) == 'string' and 1 or #texts do
        local id = string.sub(type(texts) == 'string' and texts or texts[index], 3)
        nodes.want(id)
        if limits.previous > 0 then
          module.previous.want(id)
        end
      end
    elseif OF_A_REQUEST[letter] then
      requests.want(wire[2])
    end
  end
end

-- Notes what a request for this resource will need where it is not the only one.
local function wantLine(id, waits)
  local holder, last = nodes.ends(id)
  if holder > 0 then
    requests.want(holder)
    if waits then
      module.claims.wantToWait(id)
    end
  end
  if last > 0 then
    requests.want(last)
  end
end

-- Notes what the requests that the steps name will need when they end, and who holds what they ask for.
function steps.wantMore(list)
  for _, wire in ipairs(list) do
    local letter = wire[1]
    if OF_A_REQUEST[letter] then
      -- The short way needs nothing more.
      local row = not requests.seemsAlone(wire[2]) and requests.get(wire[2])
      if row and row.isHeld then
        module.claims.wantToDrop(row)
        if row.follower and row.follower > 0 then
          requests.want(row.follower)
        end
      end
    elseif letter == 'a' and type(wire[4]) == 'string' then
      wantLine(string.sub(wire[4], 3), wire[6] ~= 0)
    end
  end
end

function steps.execute(wire, session)
  local letter = wire[1]
  local shortcut = SHORTCUTS[letter]
  return shortcut and shortcut(wire, session) or EXECUTORS[letter](DECODERS[letter](wire), session)
end

return steps
