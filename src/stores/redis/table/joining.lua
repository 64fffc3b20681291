-- Joins the end of a plain line (plainline.lua) in which somebody waits already, so that its holder knows that it is
-- wanted.
local joining = {}

local indexes, keys, log, nodes, plainline, quiet, resource, server, sessions, texts, turn =
  module.indexes, module.keys, module.log, module.nodes, module.plainline, module.quiet, module.resource, module.server,
  module.sessions, module.texts, module.turn
local call = redis.call
local format, band = string.format, bit.band
local HELD, WANTED, TOUCHED, CONFIRMED = texts.HELD, texts.WANTED, texts.TOUCHED, texts.CONFIRMED

-- What stands at the resource, and the request that came last to it; nil for the long way.
local function lineOf(batch, id, text, news)
  local exclusive, waiting, under, last = nodes.decodePlain(text)
  if not exclusive or exclusive == 0 or waiting == 0 or last == 0 then
    return nil
  end
  local ancestors, holderDigits, lastDigits = resource.ancestorsOf(id), format('%d', exclusive), format('%d', last)
  local message = news > 0 and sessions.fieldOf(batch.session, batch.acked) or 'm'
  local found = plainline.read({ 'r' .. holderDigits, 'r' .. lastDigits, message }, ancestors)
  local counted = plainline.countUnder(found, 3, ancestors, 1)
  local holder = counted and found[1] and texts.decodePlain(found[1])
  local tail = holder and found[2] and texts.decodePlain(found[2])
  if not tail or band(holder.flags, HELD + WANTED) ~= HELD + WANTED or band(tail.flags, HELD) ~= 0 or tail.follower
    or news > 0 and not plainline.isGrantOf(batch, holderDigits, found[3]) then
    return nil
  end
  return {
    id = id,
    ancestors = ancestors,
    counted = counted,
    node = nodes.encodePlain(exclusive, waiting + 1, under, turn.meta.lastId + 1),
    holder = holder,
    holderDigits = holderDigits,
    tail = tail,
    last = last,
    lastDigits = lastDigits,
    news = news,
  }
end

-- Whether a chain holds or waits for anything: then it may pass others, or close a cycle.
local function isTangled(chain)
  return chain ~= 0
    and (plainline.countOfChain(keys.held, chain) > 0 or plainline.countOfChain(keys.lines, chain) > 0)
end

-- The holder's session knows of its lease, and is the one that joins.
local function confirm(session, line, puts)
  local holder, dueAt = line.holder, line.holder.dueAt
  holder.dueAt = math.max(dueAt, turn.now + holder.ttlMs)
  holder.flags = holder.flags + (band(holder.flags, CONFIRMED) == 0 and CONFIRMED or 0)
  session.keepUntil = math.max(session.keepUntil, holder.dueAt)
  if holder.dueAt > dueAt then
    local padded, dueText = indexes.filled(line.holderDigits), format('%d', holder.dueAt)
    call('ZADD', keys.wanted, dueText, padded)
    server.hasWritten = true
    call('ZADD', keys.due, dueText, padded)
  end
  puts[#puts + 1], puts[#puts + 2] = 'r' .. line.holderDigits, texts.encodePlain(holder)
end

local function rowOf(wire, session, blocker)
  return {
    claim = wire[4],
    session = session.id,
    birth = session.birth,
    agent = wire[3],
    ttlMs = wire[5],
    hash = turn.hash(wire[2]),
    dueAt = wire[6] >= 0 and turn.now + wire[6],
    flags = 0,
    since = turn.now,
    number = blocker,
    wallLockedAt = false,
    follower = false,
    chain = wire[7] ~= 0 and wire[7],
  }
end

local function index(row, padded, line)
  if row.dueAt then
    call('ZADD', keys.due, format('%d', row.dueAt), padded)
  end
  local members = plainline.placesOf(line.id, line.ancestors, row.session, padded, row.chain)
  local arguments = {}
  for at = 1, #members do
    arguments[2 * at - 1], arguments[2 * at] = '0', members[at]
  end
  call('ZADD', keys.lines, unpack(arguments))
end

local function tell(row, digits)
  local event = turn.takeEvent()
  if event > 0 then
    log.add('["w",' .. row.agent .. ',[' .. resource.quoted(row.claim) .. '],null,null,null,null,null,null]')
  end
  return '[3,' .. digits .. format(',%d]', event)
end

-- Does it; the answer.
local function join(batch, wire, session, line)
  local request, tail = turn.takeId(), line.tail
  local digits = format('%d', request)
  local row = rowOf(wire, session, line.last)
  local outcome = tell(row, digits)
  log.flush(turn.meta.lastEvent, turn.limits.events)
  turn.expect(row.dueAt)
  tail.follower = request
  tail.flags = tail.flags + (band(tail.flags, TOUCHED) == 0 and TOUCHED or 0)
  session.waiting = session.waiting + 1
  local puts, drops = {
    'n' .. line.id, line.node, 'r' .. line.lastDigits, texts.encodePlain(tail), 'r' .. digits, texts.encodePlain(row),
  }, {}
  if line.news > 0 then
    confirm(session, line, puts)
    drops[1] = sessions.fieldOf(batch.session, batch.acked)
  end
  local answer, m, meta, s, own, a, last = quiet.leave(batch, session, outcome, '')
  local count = #puts
  puts[count + 1], puts[count + 2], puts[count + 3], puts[count + 4], puts[count + 5], puts[count + 6] =
    m, meta, s, own, a, last
  plainline.write(puts, drops, line.ancestors, line.counted)
  index(row, indexes.filled(digits), line)
  return answer
end

-- The answer; nil for the long way. What was found is the rows of the namespace, the session, and the resource.
function joining.acquire(batch, wire, id, found)
  if wire[6] == 0 then
    return nil
  end
  local session, news = quiet.enter(batch, found[1], found[2], 1)
  local line = session and turn.meta.trees == 0 and not isTangled(wire[7]) and lineOf(batch, id, found[3], news)
  return line and join(batch, wire, session, line) or nil
end

return joining
