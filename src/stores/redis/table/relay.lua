-- Hands a lease over along a plain line (plainline.lua): it is released, and the request that follows it is granted.
local relay = {}

local alone, indexes, keys, log, nodes, plainline, quiet, resource, server, sessions, texts, turn =
  module.alone, module.indexes, module.keys, module.log, module.nodes, module.plainline, module.quiet, module.resource,
  module.server, module.sessions, module.texts, module.turn
local call = redis.call
local format, sub, band = string.format, string.sub, bit.band
local HELD, WANTED, TOUCHED, LISTED = texts.HELD, texts.WANTED, texts.TOUCHED, texts.LISTED

-- Whether a batch may do less in passing than to grant one request.
local IS_TIGHT = module.budget < 2

local COUNT_LIMIT = module.lines.COUNT_LIMIT

-- The request that follows a lease, if it can be granted, and its session, which may be the holder's own.
local function heirOf(text, request, claim, own)
  local heir = text and texts.decodePlain(text)
  if not heir or band(heir.flags, HELD + LISTED) ~= 0 or heir.number ~= request or heir.claim ~= claim then
    return nil
  end
  local session = own
  if heir.session ~= own.id then
    local row = call('HGET', keys.rows, 's' .. heir.session)
    session = row and sessions.decode(heir.session, row)
  end
  if not session or session.birth ~= heir.birth or not turn.isAlive(session) then
    return nil
  end
  return heir, session
end

-- Whether the chain of a lease, or of its heir, may have passed somebody who still waits before the heir.
local function hasPassed(row, heir, id, padded, waiting)
  if not (row.chain or heir.chain) or waiting == 1 then
    return false
  end
  local name = 'ax' .. id .. '\0'
  return call('ZLEXCOUNT', keys.lines, '(' .. name, '(' .. name .. padded) > 0
end

-- Whether a chain waits for more than its request that is granted here, if that one is of it: then the hand-over may
-- let others pass, or close a cycle.
local function waitsElsewhere(chain, count)
  return chain and plainline.countOfChain(keys.lines, chain) > count
end

-- What a hand-over is about; nil for the long way.
local function handOverOf(row, request, session)
  local id = sub(row.claim, 3)
  local ancestors, digits = resource.ancestorsOf(id), format('%d', row.follower)
  local stood = plainline.read({ 'n' .. id, 'r' .. digits }, ancestors)
  local exclusive, waiting, under, last = nodes.decodePlain(stood[1])
  local counted = exclusive == request and waiting > 0 and plainline.countUnder(stood, 2, ancestors, -1)
  if not counted then
    return nil
  end
  local heir, other = heirOf(stood[2], request, row.claim, session)
  local padded = indexes.filled(digits)
  if not heir or hasPassed(row, heir, id, padded, waiting) or waitsElsewhere(row.chain, 0)
    or waitsElsewhere(heir.chain, 1) then
    return nil
  end
  return {
    id = id,
    ancestors = ancestors,
    counted = counted,
    node = nodes.encodePlain(row.follower, waiting - 1, under, last == row.follower and 0 or last),
    waiters = math.min(waiting, COUNT_LIMIT) - 1,
    heir = heir,
    session = other,
    digits = digits,
    padded = padded,
  }
end

-- Makes a lease of the heir's request. Until its session confirms, it also ends when the session would be dead.
local function give(line)
  local heir, session = line.heir, line.session
  line.waitedText = format('%d', turn.now - heir.since)
  heir.dueAt = math.min(turn.now + heir.ttlMs, session.seenAt + session.deadMs)
  heir.flags = HELD + TOUCHED + (line.waiters > 0 and WANTED or 0)
  heir.number, heir.since, heir.wallLockedAt = turn.takeFence(), turn.now, turn.wallNow
  turn.expect(heir.dueAt)
  line.dueText = format('%d', heir.dueAt)
  session.waiting, session.posted = session.waiting - 1, session.posted + 1
  session.keepUntil = math.max(session.keepUntil, heir.dueAt)
end

-- Logs that the heir holds, and makes the message that tells it.
local function tellHeir(line, previous)
  local heir, event, fenceText = line.heir, turn.takeEvent(), format('%d', line.heir.number)
  if event > 0 then
    log.add(
      '["l",' .. heir.agent .. ',[' .. resource.quoted(heir.claim) .. '],null,null,' .. fenceText .. ',null,'
        .. line.waitedText .. ',null]'
    )
  end
  return format('[%d,1,', line.session.posted) .. line.digits .. ',' .. fenceText .. ',' .. turn.wallNowText .. ','
    .. line.dueText .. format(',%d,', line.waiters) .. line.waitedText .. format(',%d,', event) .. previous .. ']'
end

-- Remembers who held the resource until now: the row, and what the heir is told of it.
local function remember(id, agent, fenceText)
  local limits = turn.limits
  if limits.previous == 0 then
    return nil, '[]'
  end
  module.previous.add(id, limits.previous)
  server.hasWritten = true
  local text = alone.previousOf(agent, fenceText)
  return text, limits.previousMs > 0 and '[[' .. resource.quoted(id) .. ',' .. sub(text, 2) .. ']' or '[]'
end

-- Before the answer says when the next lease ends that somebody waits for.
local function moveWanted(row, padded, line)
  if band(line.heir.flags, WANTED) ~= 0 then
    call('ZADD', keys.wanted, line.dueText, line.padded)
    server.hasWritten = true
  end
  if band(row.flags, WANTED) ~= 0 then
    call('ZREM', keys.wanted, padded)
    server.hasWritten = true
  end
end

local function moveRest(row, padded, line)
  local claim, heir = 'x' .. line.id .. '\0', line.heir
  call('ZADD', keys.due, line.dueText, line.padded)
  call('ZREM', keys.due, padded)
  call('ZADD', keys.held, '0', claim .. line.padded)
  call('ZREM', keys.held, claim .. padded)
  if heir.chain then
    call('ZADD', keys.held, '0', 'c' .. heir.chain .. '\0' .. line.padded)
  end
  if row.chain then
    call('ZREM', keys.held, 'c' .. row.chain .. '\0' .. padded)
  end
  call('ZREM', keys.lines, unpack(plainline.placesOf(line.id, line.ancestors, heir.session, line.padded, heir.chain)))
end

-- Does it; the answer. `digits` are those of the lease's id.
local function handOver(batch, session, row, digits, line)
  local heir, other, fenceText = line.heir, line.session, format('%d', row.number)
  local padded, isOwn = indexes.filled(digits), other == session
  local previous, told = remember(line.id, row.agent, fenceText)
  local outcome = alone.tellReleased(row.claim, row.agent, row.since, fenceText)
  give(line)
  local message = tellHeir(line, told)
  log.flush(turn.meta.lastEvent, turn.limits.events)
  moveWanted(row, padded, line)
  local answer, m, meta, s, own, a, last = quiet.leave(batch, session, outcome, isOwn and message or '')
  local puts = {
    m, meta, s, own, a, last, 'n' .. line.id, line.node, 'r' .. line.digits, texts.encodePlain(heir),
    sessions.fieldOf(heir.session, other.posted), message,
  }
  if not isOwn then
    puts[#puts + 1], puts[#puts + 2] = 's' .. heir.session, sessions.encode(other)
  end
  if previous then
    puts[#puts + 1], puts[#puts + 2] = 'p' .. line.id, previous
  end
  local drops = { 'r' .. digits, line.news > 0 and sessions.fieldOf(batch.session, batch.acked) or nil }
  plainline.write(puts, drops, line.ancestors, line.counted)
  moveRest(row, padded, line)
  if not isOwn then
    redis.pcall(turn.publish, keys.channelOf(heir.session), '["' .. turn.meta.epoch .. '",[' .. message .. ']]')
  end
  return answer
end

-- The answer; nil for the long way. What was found is the rows of the namespace, the session and the lease, and the
-- message that is acknowledged.
function relay.release(batch, wire, found, digits)
  local row = texts.decodePlain(found[3])
  if IS_TIGHT or not row or band(row.flags, HELD) == 0 or (row.follower or 0) == 0
    or row.hash ~= turn.hash(wire[3]) then
    return nil
  end
  local session, news = quiet.enter(batch, found[1], found[2], 1)
  if news == 1 and not plainline.isGrantOf(batch, digits, found[4]) then
    return nil
  end
  local line = session and turn.meta.trees == 0 and row.dueAt > turn.now and handOverOf(row, wire[2], session)
  if not line then
    return nil
  end
  if news > 0 then
    -- It is confirmed first, and would have lasted as long as was asked for.
    session.keepUntil = math.max(session.keepUntil, row.dueAt, turn.now + row.ttlMs)
  end
  line.news = news
  return handOver(batch, session, row, digits, line)
end

return relay
