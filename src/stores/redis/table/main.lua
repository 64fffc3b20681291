-- The lock table: the grant rule of the lock model as one deterministic state machine, next to its rows. It gives the
-- same answers as src/core/table, module by module, where each rule is explained.
--
-- One call executes one batch. The rows that it will need are read at its start in one or two commands, worked on in
-- memory, and written at its end, each kind in one command.
local sessions, steps, sweeping, granting, turn =
  module.sessions, module.steps, module.sweeping, module.granting, module.turn
local rows, server = module.rows, module.server
local decode, unpack, format = cjson.decode, unpack, string.format

-- A floor further ahead of the wall clock than this is refused: it would push all later tokens ahead. Not so one that
-- this very table has given, or nobody could speak to it any more when its wall clock was set back.
local MAX_FLOOR_LEAD_MS = 60000

-- How many messages one answer carries.
local MESSAGE_PAGE = 256

-- The settings of a store as they crossed the wire last, and what they say.
local settings, limits, publishCommand

local NOTHING = {}

local function readSettings(text)
  local events, previous, previousMs, command = string.match(text, '^(%S+) (%S+) (%S+) (%u+)$')
  limits = { events = tonumber(events), previous = tonumber(previous), previousMs = tonumber(previousMs) }
  settings, publishCommand = text, command
end

local function readBatch(text)
  local session, number, epoch, acked, deadMs, floor, answered, lastId, newEpoch, own, list, received =
    unpack(decode(text))
  if own ~= settings then
    readSettings(own)
  end
  return {
    session = session,
    number = number,
    epoch = epoch,
    acked = acked,
    deadMs = deadMs,
    floor = floor,
    answered = answered,
    lastId = lastId,
    newEpoch = newEpoch,
    steps = list,
    -- How each message begins that it acknowledges for the first time; the last of them is number `acked`.
    received = received or NOTHING,
  }
end

-- What was posted and is acknowledged for the first time.
local function newsOf(batch, before)
  local count = before and math.min(batch.acked, before.posted) - before.acked or 0
  return count > 0 and sessions.outbox(before, count) or NOTHING
end

-- Whether the session has received other messages than were posted: the store has gone back, and then posted these.
local function isMisled(batch, news)
  local received = batch.received
  for index, message in ipairs(news) do
    local beginning = received[#received - #news + index]
    if not beginning or string.sub(message, 1, #beginning) ~= beginning then
      return true
    end
  end
  return false
end

-- From where a session comes back: it was silent for too long, or the store has lost changes that it was told of. Its
-- waiters are then as those of a dead session, and ids go on above all that it has seen, so that none of them means
-- something else to it.
local function comebackOf(batch, before, news)
  if batch.lastId > turn.meta.lastId or batch.answered > before.batch or batch.acked > before.posted
    or isMisled(batch, news) then
    return 'rollback'
  end
  return not turn.isAlive(before) and 'silence'
end

local function newSession(batch)
  return {
    id = batch.session,
    birth = 1,
    -- Of a session that was forgotten the numbers go on where its client stands.
    posted = batch.acked,
    acked = batch.acked,
    waiting = 0,
    isHaunted = false,
    dueAt = turn.now + batch.deadMs,
    keepUntil = 0,
  }
end

-- Removes what the session has acknowledged, and confirms the grants among it.
local function acknowledge(session, acked, news)
  sessions.forget(session, acked)
  session.acked = acked
  for _, message in ipairs(news) do
    local id = string.match(message, '^%[%d+,1,(%d+)')
    if id then
      granting.confirm(tonumber(id))
    end
  end
end

-- Notes that the session was heard of, and confirms what it has acknowledged. A batch that only looks leaves no trace.
local function enterSession(batch, before, comeback, news)
  local session = before or newSession(batch)
  session.seenAt = turn.now
  session.deadMs = batch.deadMs
  session.batch = batch.number
  session.dueAt = comeback and turn.now or math.min(session.dueAt, turn.now + batch.deadMs)
  if comeback then
    session.birth = session.birth + 1
    session.isHaunted = session.isHaunted or session.waiting > 0
  end
  if not before and steps.onlyLook(batch.steps) then
    return session
  end
  sessions.put(session)
  -- What was acknowledged before the store went back may have been another message of that number.
  if comeback ~= 'rollback' and batch.acked > session.acked then
    acknowledge(session, batch.acked, news)
  end
  return session
end

-- A chain that is checked may end a request, which grants others, which may narrow chains again.
local function settleChains()
  while turn.hasNarrowed() do
    module.deadlock.checkNarrowedChains()
    granting.settle()
  end
end

local function answerOf(isFresh, isMore, wakeAt, messages, outcomes)
  return '["' .. turn.meta.epoch .. '",' .. format('%d,', turn.now) .. turn.wallNowText
    .. (isFresh and ',true,' or ',false,') .. (isMore and 'true,' or 'false,') .. wakeAt
    .. ',[' .. table.concat(messages, ',') .. '],' .. outcomes .. ']'
end

-- Tells the other sessions, now that the batch stands. It stands also where the user may not publish any more: what is
-- not pushed comes with the answer to a heartbeat.
local function publish(batch)
  for _, id in ipairs(turn.posted) do
    if id ~= batch.session then
      local text = '["' .. turn.meta.epoch .. '",[' .. table.concat(turn.posts[id], ',') .. ']]'
      redis.pcall(turn.publish, module.keys.channelOf(id), text)
    end
  end
end

local function finish(batch, isFresh, outcomes)
  local isMore = sweeping.suspend()
  local session = sessions.get(batch.session)
  local messages, wakeAt = {}, nil
  if session and session.posted > session.acked then
    messages = sessions.outbox(session, MESSAGE_PAGE)
  end
  if session and session.waiting > 0 then
    wakeAt = module.requests.nextWanted()
  end
  isMore = isMore or #messages == MESSAGE_PAGE
  local answer = answerOf(isFresh, isMore, wakeAt or 'null', messages, '[' .. table.concat(outcomes, ',') .. ']')
  if session then
    sessions.saveAnswer(batch.session, answer)
  end
  turn.flush()
  publish(batch)
  return answer
end

-- Reads what nearly every batch needs, and what this one names.
local function open(batch)
  rows.want('m')
  sessions.want(batch.session)
  sessions.wantOutbox(batch.session, batch.acked - #batch.received + 1, batch.acked)
  steps.want(batch.steps, turn.limits)
  rows.fetch()
  local refusal = turn.open(rows.get('m'), batch.newEpoch)
  if refusal then
    return refusal
  end
  turn.readClocks()
  steps.wantMore(batch.steps)
  rows.fetch()
  return nil
end

-- All that can be refused is refused before the first write.
local function apply(batch)
  local refusal = open(batch)
  if refusal then
    return refusal
  end
  local meta = turn.meta
  if batch.floor > math.max(meta.lastFence, (turn.wallNow + MAX_FLOOR_LEAD_MS) * 1000) then
    return '!floor'
  end
  local leftover = turn.isNew and module.halt.removeLeftovers()
  if leftover then
    return leftover
  end
  if batch.epoch ~= 0 and batch.epoch ~= meta.epoch then
    if turn.isNew then
      turn.flush()
    end
    return answerOf(true, false, 'null', {}, 'null')
  end
  local before = sessions.get(batch.session)
  if before and batch.number < before.batch then
    return format('!stale %d', before.batch)
  end
  local answer = before and batch.number == before.batch and sessions.answer(batch.session)
  if answer then
    return answer
  end
  local news = newsOf(batch, before)
  local comeback = before and comebackOf(batch, before, news)
  turn.raise(batch.lastId, batch.floor)
  local session = enterSession(batch, before, comeback, news)
  sweeping.sweep()
  local outcomes = {}
  for index, step in ipairs(batch.steps) do
    outcomes[index] = steps.execute(step, session)
    granting.settle()
  end
  settleChains()
  return finish(batch, (comeback or not before) and true or false, outcomes)
end

-- What modules keep is of one batch only.
local function begin()
  module.indexes.begin()
  module.resource.begin()
  module.nodes.begin()
  module.claims.begin()
  module.requests.begin()
  module.followers.begin()
  sessions.begin()
  turn.begin()
end

local function execute(key, argument)
  local batch = readBatch(argument)
  turn.limits, turn.publish = limits, publishCommand
  rows.begin()
  module.log.begin()
  local answer = module.lone.apply(batch)
  if answer then
    return answer
  end
  begin()
  return apply(batch)
end

return function(key, argument)
  module.keys.use(key)
  server.hasWritten = false
  local isDone, answer = pcall(execute, key, argument)
  return isDone and answer or module.halt.answer(answer)
end
