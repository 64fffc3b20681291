-- One batch being executed: the row of the namespace, the clocks, what may still be done, and what was gathered.
local turn = {}

local rows = module.rows
local emptied = module.scratch.emptied
local format = string.format

-- The layout of the keys; a namespace of another one is left alone.
local LAYOUT = 2
local STEP_BUDGET = module.budget

-- Requests that ended and whose waiters are to be looked at, in order.
local ended, firstEnded, lastEnded = {}, 1, 0
-- Chains that may have fallen back to one open request, or whose open request may have more in front of it, in order.
local narrowed, isNarrowed, firstNarrowed, lastNarrowed = {}, {}, 1, 0
-- An ownership token and its hash.
local hashedToken, lastHash
-- The row of the namespace as it was written last, and what it says. The text of a row tells all of it, so a row that
-- still has this text need not be read again.
local keptText, keptMeta

-- What the batch may do in passing, and what its own steps may clear out of their way.
turn.passing, turn.touched = {}, {}
-- Sessions to which something was posted, in order, and what.
turn.posted, turn.posts = {}, {}

function turn.begin()
  turn.passing.left, turn.touched.left = STEP_BUDGET, STEP_BUDGET
  if turn.posted[1] then
    turn.posted, turn.posts = emptied(turn.posted), emptied(turn.posts)
  end
  -- The namespace is to be made; what a session has seen is more than what was given.
  turn.isNew, turn.isRaised = false, false
  if lastEnded > 0 then
    ended, firstEnded, lastEnded = emptied(ended), 1, 0
  end
  if lastNarrowed > 0 then
    narrowed, isNarrowed, firstNarrowed, lastNarrowed = emptied(narrowed), emptied(isNarrowed), 1, 0
  end
end

local function newMeta(epoch)
  return {
    epoch = epoch,
    -- The id of the last request: ids rise, and are places in line.
    lastId = 0,
    lastFence = 0,
    lastEvent = 0,
    -- Ended requests whose waiters have not all been looked at.
    unsettled = 0,
    -- Deadlock checks that gave up.
    unchecked = 0,
    -- Tree claims, held and waiting, in all types.
    trees = 0,
    -- The lease clock at the last batch that wrote, and how far it runs ahead of the server's.
    now = 0,
    ahead = 0,
    -- No request ends by itself before this, and no session is to be looked at before that.
    nextDue = math.huge,
    nextLook = math.huge,
    -- Numbers what is kept in an order of its own.
    tick = 0,
    -- Resources whose previous holder is remembered.
    remembered = 0,
  }
end

-- Whether this server's Lua writes whole numbers of more than 32 bits.
local function hasWideNumbers()
  return format('%d', 4503599627370497) == '4503599627370497'
end

-- Takes what the row of the namespace says, `text` being false where there is none; says why it cannot be used.
function turn.open(text, newEpoch)
  if not text then
    if not hasWideNumbers() then
      return '!numbers'
    end
    if newEpoch == 0 then
      return '!new'
    end
    -- What another life of the namespace may have left does not belong to this one.
    turn.isNew = true
    turn.meta = newMeta(newEpoch)
    return nil
  end
  if text == keptText then
    -- It is changed from here on: what a call that fails leaves of it is not used again.
    turn.meta, keptText = keptMeta, nil
    return nil
  end
  -- The number of the layout comes first, in one byte.
  local layout = string.byte(text)
  if layout ~= LAYOUT then
    return layout and layout < 128 and format('!layout %d', layout) or '!foreign'
  end
  local _, epoch, lastId, lastFence, lastEvent, unsettled, unchecked, trees, now, ahead, nextDue, nextLook, tick,
    remembered = cmsgpack.unpack(text)
  turn.meta = {
    epoch = epoch,
    lastId = lastId,
    lastFence = lastFence,
    lastEvent = lastEvent,
    unsettled = unsettled,
    unchecked = unchecked,
    trees = trees,
    now = now,
    ahead = ahead,
    nextDue = nextDue,
    nextLook = nextLook,
    tick = tick,
    remembered = remembered,
  }
  return nil
end

-- Reads the clocks. The lease clock goes on from where it was when the server's clock was set back, or when another
-- server with a slower one has taken over: so no lease lasts longer than it should.
function turn.readClocks()
  local meta = turn.meta
  local serverNow, wallNow = module.clock()
  local now = serverNow + meta.ahead
  if now < meta.now then
    meta.ahead = meta.now - serverNow
    now = meta.now
  end
  meta.now = now
  turn.now = now
  turn.wallNow = wallNow
  turn.wallNowText = format('%d', wallNow)
end

local lastNumber, lastText

-- The digits of a number, which mostly is the one that was asked for before.
function turn.textOf(number)
  if number ~= lastNumber then
    lastNumber, lastText = number, format('%d', number)
  end
  return lastText
end

-- A request ends by itself at this time, or (false) never.
function turn.expect(dueAt)
  local meta = turn.meta
  if dueAt and dueAt < meta.nextDue then
    meta.nextDue = dueAt
  end
end

-- What is kept of an ownership token: enough to know it again, not to make it.
function turn.hash(token)
  if token ~= hashedToken then
    hashedToken, lastHash = token, string.sub(redis.sha1hex(token), 1, 32)
  end
  return lastHash
end

-- What a session has seen is not given again, whatever the store has lost.
function turn.raise(lastId, lastFence)
  local meta = turn.meta
  turn.isRaised = lastId > meta.lastId or lastFence > meta.lastFence
  meta.lastId = math.max(meta.lastId, lastId)
  meta.lastFence = math.max(meta.lastFence, lastFence)
end

-- The next place in line.
function turn.takeId()
  local meta = turn.meta
  meta.lastId = meta.lastId + 1
  return meta.lastId
end

-- Greater than every earlier one, and about the wall clock in microseconds, so that it rises even after a loss of data.
function turn.takeFence()
  local meta = turn.meta
  meta.lastFence = math.max(meta.lastFence + 1, turn.wallNow * 1000)
  return meta.lastFence
end

-- Whether a session was heard of within its dead time.
function turn.isAlive(session)
  return session.seenAt + session.deadMs > turn.now
end

-- Tells a session, if it is still remembered. `body` is the message as JSON without its number and its brackets.
function turn.post(id, body)
  local session = module.sessions.get(id)
  if not session then
    return
  end
  session.posted = session.posted + 1
  module.sessions.put(session)
  local message = format('[%d,', session.posted) .. body .. ']'
  module.sessions.post(id, session.posted, message)
  local posts = turn.posts[id]
  if posts then
    posts[#posts + 1] = message
  else
    turn.posts[id] = { message }
    turn.posted[#turn.posted + 1] = id
  end
end

-- What an event says of the request that it is about, as JSON.
function turn.subjectOf(row)
  local subject = row.subject
  if not subject then
    subject = row.agent .. ',' .. module.resource.listJson(row.claims) .. ',' .. (row.reason or 'null') .. ','
      .. (row.metadata or 'null')
    row.subject = subject
  end
  return subject
end

-- The number of the next event: 0 where the log is off.
function turn.takeEvent()
  if turn.limits.events == 0 then
    return 0
  end
  local meta = turn.meta
  meta.lastEvent = meta.lastEvent + 1
  return meta.lastEvent
end

-- Logs an event of one letter; the last four as JSON, 'null' where they do not apply. Returns its number: 0 where the
-- log is off.
function turn.log(letter, row, fence, heldMs, waitedMs, forced)
  local event = turn.takeEvent()
  if event > 0 then
    module.log.add(
      '["' .. letter .. '",' .. turn.subjectOf(row) .. ',' .. fence .. ',' .. heldMs .. ',' .. waitedMs .. ',' .. forced
        .. ']'
    )
  end
  return event
end

function turn.noteEnd(id)
  lastEnded = lastEnded + 1
  ended[lastEnded] = id
end

function turn.nextEnded()
  return ended[firstEnded]
end

function turn.dropEnded()
  ended[firstEnded] = nil
  firstEnded = firstEnded + 1
end

-- Those that were not reached.
function turn.leftEnded()
  local left = {}
  for index = firstEnded, lastEnded do
    left[#left + 1] = ended[index]
  end
  return left
end

function turn.narrow(chain)
  if not isNarrowed[chain] then
    isNarrowed[chain] = true
    lastNarrowed = lastNarrowed + 1
    narrowed[lastNarrowed] = chain
  end
end

function turn.hasNarrowed()
  return firstNarrowed <= lastNarrowed
end

function turn.takeNarrowed()
  local chain = narrowed[firstNarrowed]
  firstNarrowed = firstNarrowed + 1
  isNarrowed[chain] = nil
  return chain
end

-- The row of the namespace as a text.
function turn.encode()
  local meta = turn.meta
  keptText = cmsgpack.pack(
    LAYOUT, meta.epoch, meta.lastId, meta.lastFence, meta.lastEvent, meta.unsettled, meta.unchecked, meta.trees,
    meta.now, meta.ahead, meta.nextDue, meta.nextLook, meta.tick, meta.remembered
  )
  keptMeta = meta
  return keptText
end

-- Writes everything. The batch of somebody who only looks writes nothing.
function turn.flush()
  local meta = turn.meta
  module.requests.flush()
  module.nodes.flush()
  module.sessions.flush()
  if turn.isNew or turn.isRaised or rows.hasChanged() then
    module.log.flush(meta.lastEvent, turn.limits.events)
    module.previous.flush(turn.limits.previous)
    rows.put('m', turn.encode())
    rows.flush()
  end
  module.indexes.flushAll()
end

return turn
