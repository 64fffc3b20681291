-- The short way for what nobody else has to do with: a plain request for one resource at which nothing stands, and the
-- release of a lease to which nothing refers. It leaves the same rows, events and answers as the long way
-- (acquiring.lua, holding.lua), without ever making a row out of its text. Whatever is not as plain as that is left to
-- the long way.
local alone = {}

local indexes, log, nodes, requests, resource, texts, turn =
  module.indexes, module.log, module.nodes, module.requests, module.resource, module.texts, module.turn
local held, due = indexes.held, indexes.due
local format, sub = string.format, string.sub

-- Exclusive, this resource only.
local PLAIN = 'xn'

-- Numbers an event; 0 where the log is off.
local function nextEvent()
  if turn.limits.events == 0 then
    return 0
  end
  local meta = turn.meta
  meta.lastEvent = meta.lastEvent + 1
  return meta.lastEvent
end

local function previousOf(id)
  local limits = turn.limits
  local view = limits.previous > 0 and module.previous.get(id, turn.wallNow - limits.previousMs)
  return view and '[[' .. resource.quoted(id) .. ',' .. sub(view, 2) .. ']' or '[]'
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
  local padded, dueText, fenceText = indexes.padded(request), format('%d', dueAt), format('%d', fence)
  nodes.hold(id, request)
  indexes.put(held, 'x' .. id .. '\0' .. padded, '0')
  indexes.put(due, padded, dueText)
  turn.expect(dueAt)
  if chain ~= 0 then
    indexes.put(held, 'c' .. chain .. '\0' .. padded, '0')
  end
  local hash = turn.hash(token)
  requests.putAlone(request, texts.encodeAlone(text, session, agent, wire[5], hash, dueAt, fence, chain ~= 0 and chain))
  if session.keepUntil < dueAt then
    session.keepUntil = dueAt
  end
  local event = nextEvent()
  if event > 0 then
    log.add('["l",' .. agent .. ',[' .. resource.quoted(text) .. '],null,null,' .. fenceText .. ',null,0,null]')
  end
  return format('[1,%d,', request) .. fenceText .. ',' .. turn.wallNowText .. ',' .. dueText
    .. format(',0,0,%d,', event) .. previousOf(id) .. ']'
end

-- Ends the lease; nil for the long way.
function alone.release(wire)
  if wire[4] == 1 or turn.passing.left <= 0 or turn.nextEnded() then
    return nil
  end
  local request = wire[2]
  local text, agent, hash, dueAt, since, fence, chain = requests.getAlone(request)
  if not text or hash ~= turn.hash(wire[3]) or dueAt <= turn.now then
    return nil
  end
  local id, padded = sub(text, 3), indexes.padded(request)
  requests.dropAlone(request)
  nodes.clear(id)
  indexes.drop(held, 'x' .. id .. '\0' .. padded)
  indexes.drop(due, padded)
  if chain then
    indexes.drop(held, 'c' .. chain .. '\0' .. padded)
  end
  local fenceText, heldMs = format('%d', fence), format('%d', turn.now - since)
  if turn.limits.previous > 0 then
    module.previous.put(id, '[' .. turn.wallNowText .. ',' .. fenceText .. ',' .. agent .. ',null]')
  end
  local event = nextEvent()
  if event > 0 then
    log.add(
      '["u",' .. agent .. ',[' .. resource.quoted(text) .. '],null,null,' .. fenceText .. ',' .. heldMs .. ',null,null]'
    )
  end
  return '[9,true,false,' .. heldMs .. format(',%d]', event)
end

return alone
