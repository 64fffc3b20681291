-- The short way for what nobody else has to do with: a plain request for one resource at which nothing stands, and the
-- release of a lease to which nothing refers. It leaves the same rows, events and answers as the long way
-- (acquiring.lua, holding.lua), without ever making a row out of its text. Whatever is not as plain as that is left to
-- the long way.
local alone = {}

local indexes, log, nodes, requests, resource, texts, turn =
  module.indexes, module.log, module.nodes, module.requests, module.resource, module.texts, module.turn
local held, due = indexes.held, indexes.due
local type, format, sub = type, string.format, string.sub

-- Exclusive, this resource only.
local PLAIN = 'xn'

-- Logs that the lease was granted, and tells its holder: the outcome as JSON.
function alone.tellGranted(text, agent, requestText, fenceText, dueText)
  local event = turn.takeEvent()
  if event > 0 then
    log.add('["l",' .. agent .. ',[' .. resource.quoted(text) .. '],null,null,' .. fenceText .. ',null,0,null]')
  end
  local limits, id = turn.limits, sub(text, 3)
  local view = limits.previous > 0 and module.previous.get(id, turn.wallNow - limits.previousMs)
  return '[1,' .. requestText .. ',' .. fenceText .. ',' .. turn.wallNowText .. ',' .. dueText .. format(',0,0,%d,', event)
    .. (view and '[[' .. resource.quoted(id) .. ',' .. sub(view, 2) .. ']' or '[]') .. ']'
end

-- Likewise that it was released.
function alone.tellReleased(text, agent, since, fenceText)
  local heldMs = turn.textOf(turn.now - since)
  local event = turn.takeEvent()
  if event > 0 then
    log.add(
      '["u",' .. agent .. ',[' .. resource.quoted(text) .. '],null,null,' .. fenceText .. ',' .. heldMs .. ',null,null]'
    )
  end
  return '[9,true,false,' .. heldMs .. format(',%d]', event)
end

-- What is remembered of it.
function alone.previousOf(agent, fenceText)
  return '[' .. turn.wallNowText .. ',' .. fenceText .. ',' .. agent .. ',null]'
end

-- Grants the request; nil for the long way.
function alone.acquire(wire, session)
  local token, agent, text, chain = wire[2], wire[3], wire[4], wire[7]
  if wire[8] or type(text) ~= 'string' or sub(text, 1, 2) ~= PLAIN or turn.meta.trees > 0 then
    return nil
  end
  local id = sub(text, 3)
  if nodes.isTaken(id) then
    return nil
  end
  local request, fence, dueAt = turn.takeId(), turn.takeFence(), turn.now + wire[5]
  local requestText, fenceText, dueText = format('%d', request), format('%d', fence), turn.textOf(dueAt)
  local padded = indexes.filled(requestText)
  nodes.hold(id, request)
  indexes.put(held, 'x' .. id .. '\0' .. padded, '0')
  indexes.put(due, padded, dueText)
  turn.expect(dueAt)
  if chain ~= 0 then
    indexes.put(held, 'c' .. chain .. '\0' .. padded, '0')
  end
  local hash = turn.hash(token)
  requests.putAlone(requestText, texts.encodeAmong(text, hash, fence, session, agent, wire[5], chain ~= 0 and chain))
  if session.keepUntil < dueAt then
    session.keepUntil = dueAt
  end
  return alone.tellGranted(text, agent, requestText, fenceText, dueText)
end

-- Ends the lease; nil for the long way.
function alone.release(wire)
  if wire[4] == 1 or turn.passing.left <= 0 or turn.nextEnded() then
    return nil
  end
  local request = wire[2]
  local requestText = format('%d', request)
  local text, agent, hash, dueAt, since, fence, chain = requests.getAlone(request, requestText)
  if not text or hash ~= turn.hash(wire[3]) or dueAt <= turn.now then
    return nil
  end
  local id, padded = sub(text, 3), indexes.filled(requestText)
  requests.dropAlone(request, requestText)
  nodes.clear(id)
  indexes.drop(held, 'x' .. id .. '\0' .. padded)
  indexes.drop(due, padded)
  if chain then
    indexes.drop(held, 'c' .. chain .. '\0' .. padded)
  end
  local fenceText = format('%d', fence)
  if turn.limits.previous > 0 then
    module.previous.put(id, alone.previousOf(agent, fenceText))
  end
  return alone.tellReleased(text, agent, since, fenceText)
end

return alone
