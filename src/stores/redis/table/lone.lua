-- The shortest way: a batch of nothing but one plain step (alone.lua), from a session that is well and was told
-- everything, while nothing is due. What a lone caller asks for is nearly always that. It is done from what one read
-- finds, past the modules that gather rows and indexes for longer batches; it leaves what they would leave. Whatever is
-- not as plain as that is left to them: all of it is checked before the first write.
local lone = {}

local alone, indexes, keys, log, rows, sessions, texts, turn =
  module.alone, module.indexes, module.keys, module.log, module.rows, module.sessions, module.texts, module.turn
local call = redis.call
local type, format, sub = type, string.format, string.sub

-- Whether the batch does no more than its step says: it is new, nothing was lost, nothing else is to be done or told.
local function isQuiet(batch, session)
  local meta, now = turn.meta, turn.now
  return batch.number > session.batch and batch.answered <= session.batch
    and batch.acked == session.acked and session.posted == session.acked
    and (batch.epoch == 0 or batch.epoch == meta.epoch)
    and batch.lastId <= meta.lastId and batch.floor <= meta.lastFence
    and session.waiting == 0 and turn.isAlive(session)
    and now + batch.deadMs >= session.dueAt
    and meta.unsettled == 0 and now < meta.nextDue and now < meta.nextLook
end

-- The session, heard of at this time; nil for the long way.
local function enter(batch, metaText, sessionText)
  if not metaText or not sessionText or turn.open(metaText) then
    return nil
  end
  turn.readClocks()
  local session = sessions.decode(batch.session, sessionText)
  return isQuiet(batch, session) and session or nil
end

-- The rows that every batch writes, in the order of HSET, and the answer.
local function leave(batch, session, outcome)
  session.seenAt, session.deadMs, session.batch = turn.now, batch.deadMs, batch.number
  local answer = '["' .. turn.meta.epoch .. format('",%d,', turn.now) .. turn.wallNowText
    .. ',false,false,null,[],[' .. outcome .. ']]'
  return answer, 'm', turn.encode(), 's' .. batch.session, sessions.encode(session), 'a' .. batch.session, answer
end

local function acquire(batch, wire)
  local agent, text, ttlMs, chain = wire[3], wire[4], wire[5], wire[7]
  if wire[8] or type(text) ~= 'string' or sub(text, 1, 2) ~= 'xn' then
    return nil
  end
  local id = sub(text, 3)
  local found = rows.read('m', 's' .. batch.session, 'n' .. id, turn.limits.previous > 0 and 'p' .. id)
  local session = not found[3] and enter(batch, found[1], found[2])
  if not session or turn.meta.trees > 0 then
    return nil
  end
  local request, fence, dueAt = turn.takeId(), turn.takeFence(), turn.now + ttlMs
  local requestText, fenceText, dueText = format('%d', request), format('%d', fence), format('%d', dueAt)
  local padded = indexes.filled(requestText)
  turn.expect(dueAt)
  session.keepUntil = session.keepUntil < dueAt and dueAt or session.keepUntil
  local row = texts.encodeAlone(text, session, agent, ttlMs, turn.hash(wire[2]), dueAt, fence, chain ~= 0 and chain)
  local answer, m, meta, s, own, a, last =
    leave(batch, session, alone.tellGranted(text, agent, requestText, fenceText, dueText))
  call('HSET', keys.rows, m, meta, s, own, a, last, 'n' .. id, requestText, 'r' .. requestText, row)
  call('ZADD', keys.due, dueText, padded)
  call('ZADD', keys.held, '0', 'x' .. id .. '\0' .. padded)
  if chain ~= 0 then
    call('ZADD', keys.held, '0', 'c' .. chain .. '\0' .. padded)
  end
  log.flush(turn.meta.lastEvent, turn.limits.events)
  return answer
end

local function release(batch, wire)
  local request = wire[2]
  local requestText, limits = format('%d', request), turn.limits
  local found = rows.read('m', 's' .. batch.session, 'r' .. requestText)
  if wire[4] == 1 or not found[3] then
    return nil
  end
  local text, agent, hash, dueAt, since, fence, chain = texts.decodeAlone(found[3])
  if not text or hash ~= turn.hash(wire[3]) then
    return nil
  end
  local session = enter(batch, found[1], found[2])
  if not session or dueAt <= turn.now then
    return nil
  end
  local id, padded, fenceText = sub(text, 3), indexes.filled(requestText), format('%d', fence)
  if limits.previous > 0 then
    module.previous.add(id, limits.previous)
  end
  local answer, m, meta, s, own, a, last = leave(batch, session, alone.tellReleased(text, agent, since, fenceText))
  if limits.previous > 0 then
    call('HSET', keys.rows, m, meta, s, own, a, last, 'p' .. id, alone.previousOf(agent, fenceText))
  else
    call('HSET', keys.rows, m, meta, s, own, a, last)
  end
  call('HDEL', keys.rows, 'n' .. id, 'r' .. requestText)
  call('ZREM', keys.due, padded)
  call('ZREM', keys.held, 'x' .. id .. '\0' .. padded)
  if chain then
    call('ZREM', keys.held, 'c' .. chain .. '\0' .. padded)
  end
  log.flush(turn.meta.lastEvent, limits.events)
  return answer
end

-- The answer; nil for the long way.
function lone.apply(batch)
  local list = batch.steps
  local wire = list[1]
  if not wire or list[2] then
    return nil
  end
  local letter = wire[1]
  if letter == 'a' then
    return acquire(batch, wire)
  elseif letter == 'r' then
    return release(batch, wire)
  end
  return nil
end

return lone
