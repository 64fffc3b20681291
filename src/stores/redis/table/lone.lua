-- The shortest way: a quiet batch (quiet.lua) of nothing but one plain step (alone.lua), or of none. What a lone caller
-- asks for is nearly always that. It leaves what the modules would leave that gather rows and indexes for longer
-- batches. Whatever is not as plain as that is left to them: all of it is checked before the first write.
local lone = {}

local alone, indexes, keys, log, quiet, rows, server, sessions, texts, turn =
  module.alone, module.indexes, module.keys, module.log, module.quiet, module.rows, module.server, module.sessions,
  module.texts, module.turn
local call = redis.call
local type, format, sub = type, string.format, string.sub

local function acquire(batch, wire)
  local agent, text, ttlMs, chain = wire[3], wire[4], wire[5], wire[7]
  if wire[8] or type(text) ~= 'string' or sub(text, 1, 2) ~= 'xn' then
    return nil
  end
  local id = sub(text, 3)
  local found = rows.read('m', 's' .. batch.session, 'n' .. id, turn.limits.previous > 0 and 'p' .. id)
  if found[3] then
    return module.joining.acquire(batch, wire, id, found)
  end
  local session = quiet.enter(batch, found[1], found[2], 0)
  if not session or turn.meta.trees > 0 then
    return nil
  end
  local request, fence, dueAt = turn.takeId(), turn.takeFence(), turn.now + ttlMs
  local requestText, fenceText, dueText = format('%d', request), format('%d', fence), format('%d', dueAt)
  local padded = indexes.filled(requestText)
  turn.expect(dueAt)
  session.keepUntil = session.keepUntil < dueAt and dueAt or session.keepUntil
  local row = texts.encodeAlone(text, turn.hash(wire[2]), fence, session, agent, ttlMs, chain ~= 0 and chain)
  local answer, m, meta, s, own, a, last =
    quiet.leave(batch, session, alone.tellGranted(text, agent, requestText, fenceText, dueText), '')
  log.flush(turn.meta.lastEvent, turn.limits.events)
  call('HSET', keys.rows, m, meta, s, own, a, last, 'n' .. id, requestText, 'r' .. requestText, row)
  server.hasWritten = true
  call('ZADD', keys.due, dueText, padded)
  call('ZADD', keys.held, '0', 'x' .. id .. '\0' .. padded)
  if chain ~= 0 then
    call('ZADD', keys.held, '0', 'c' .. chain .. '\0' .. padded)
  end
  return answer
end

local function release(batch, wire)
  local request = wire[2]
  local requestText, limits = format('%d', request), turn.limits
  local message = batch.received[1] and sessions.fieldOf(batch.session, batch.acked)
  local found = rows.read('m', 's' .. batch.session, 'r' .. requestText, message)
  if wire[4] == 1 or not found[3] then
    return nil
  end
  local text, agent, hash, dueAt, since, fence, chain = texts.decodeAlone(found[3])
  if not text then
    return module.relay.release(batch, wire, found, requestText)
  end
  if hash ~= turn.hash(wire[3]) then
    return nil
  end
  local session = quiet.enter(batch, found[1], found[2], 0)
  if not session or dueAt <= turn.now then
    return nil
  end
  local id, padded, fenceText = sub(text, 3), indexes.filled(requestText), format('%d', fence)
  if limits.previous > 0 then
    module.previous.add(id, limits.previous)
    server.hasWritten = true
  end
  local answer, m, meta, s, own, a, last =
    quiet.leave(batch, session, alone.tellReleased(text, agent, since, fenceText), '')
  log.flush(turn.meta.lastEvent, limits.events)
  if limits.previous > 0 then
    call('HSET', keys.rows, m, meta, s, own, a, last, 'p' .. id, alone.previousOf(agent, fenceText))
  else
    call('HSET', keys.rows, m, meta, s, own, a, last)
  end
  server.hasWritten = true
  call('HDEL', keys.rows, 'n' .. id, 'r' .. requestText)
  call('ZREM', keys.due, padded)
  call('ZREM', keys.held, 'x' .. id .. '\0' .. padded)
  if chain then
    call('ZREM', keys.held, 'c' .. chain .. '\0' .. padded)
  end
  return answer
end

-- A heartbeat.
local function beat(batch)
  local found = rows.read('m', 's' .. batch.session)
  local session = quiet.enter(batch, found[1], found[2], 0)
  if not session then
    return nil
  end
  local answer, m, meta, s, own, a, last = quiet.leave(batch, session, '', '')
  call('HSET', keys.rows, m, meta, s, own, a, last)
  server.hasWritten = true
  return answer
end

-- The answer; nil for the long way.
function lone.apply(batch)
  local list = batch.steps
  local wire = list[1]
  if not wire then
    return beat(batch)
  elseif list[2] then
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
