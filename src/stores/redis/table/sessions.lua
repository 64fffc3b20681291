-- The sessions, what they are still to be told, and what they were answered last.
local sessions = {}

local indexes, rows = module.indexes, module.rows
local emptied = module.scratch.emptied
local pack, unpackText = cmsgpack.pack, cmsgpack.unpack

-- More than anybody leaves unacknowledged: whoever counted so far for a damaged row would hold up the whole server.
local MOST_MESSAGES = 1048576

-- Rows by id: false for none.
local byId = {}

function sessions.begin()
  if next(byId) then
    byId = emptied(byId)
  end
end

-- The row that was written last, its text, and whose it is: the one client of a quiet namespace asks again and again.
local keptId, keptText, keptRow

-- A row as its text tells it.
function sessions.decode(id, text)
  if text == keptText and id == keptId then
    -- It is changed from here on: what a call that fails leaves of it is not used again.
    keptId = nil
    keptRow.isChanged = false
    return keptRow
  end
  local birth, seenAt, deadMs, batch, posted, acked, waiting, isHaunted, dueAt, keepUntil = unpackText(text)
  if not (posted - acked <= MOST_MESSAGES) then
    error('a session with ' .. posted - acked .. ' messages')
  end
  return {
    id = id,
    birth = birth,
    seenAt = seenAt,
    deadMs = deadMs,
    batch = batch,
    posted = posted,
    acked = acked,
    waiting = waiting,
    isHaunted = isHaunted,
    dueAt = dueAt,
    keepUntil = keepUntil,
    indexedDue = dueAt,
    isChanged = false,
  }
end

-- The row, or false.
function sessions.get(id)
  local row = byId[id]
  if row == nil then
    local text = rows.get('s' .. id)
    row = text and sessions.decode(id, text)
    byId[id] = row
  end
  return row
end

function sessions.want(id)
  if byId[id] == nil then
    rows.want('s' .. id)
  end
end

-- Says that a row was changed; it may be a new one.
function sessions.put(row)
  byId[row.id] = row
  row.isChanged = true
  if row.dueAt ~= row.indexedDue then
    indexes.put(indexes.sessions, row.id, string.format('%d', row.dueAt))
    row.indexedDue = row.dueAt
    local meta = module.turn.meta
    meta.nextLook = math.min(meta.nextLook, row.dueAt)
  end
end

function sessions.delete(id)
  local row = sessions.get(id)
  sessions.forget(row, row.posted)
  indexes.drop(indexes.sessions, id)
  rows.drop('s' .. id)
  rows.drop('a' .. id)
  byId[id] = false
end

-- Ids of sessions that are to be looked at, earliest first.
function sessions.due(now, limit)
  local meta = module.turn.meta
  if now < meta.nextLook then
    return {}
  end
  local ids, nextLook = indexes.timely(indexes.sessions, now, limit)
  meta.nextLook = nextLook or meta.nextLook
  return ids
end

-- The outbox: what was posted after the last acknowledged message, without gaps.

-- The row of a message.
function sessions.fieldOf(id, number)
  return 'o' .. id .. '\0' .. string.format('%d', number)
end

function sessions.post(id, number, message)
  rows.put(sessions.fieldOf(id, number), message)
end

-- Notes that messages will be needed.
function sessions.wantOutbox(id, first, last)
  for number = first, last do
    rows.want(sessions.fieldOf(id, number))
  end
end

-- The messages after the last acknowledged one, oldest first.
function sessions.outbox(row, limit)
  local last = math.min(row.posted, row.acked + limit)
  sessions.wantOutbox(row.id, row.acked + 1, last)
  rows.fetch()
  local messages = {}
  for number = row.acked + 1, last do
    messages[#messages + 1] = rows.get(sessions.fieldOf(row.id, number)) or nil
  end
  return messages
end

-- Removes the messages up to a number.
function sessions.forget(row, upTo)
  for number = row.acked + 1, upTo do
    rows.drop(sessions.fieldOf(row.id, number))
  end
end

-- The answer to a session's last batch, or false.
function sessions.answer(id)
  return rows.get('a' .. id)
end

function sessions.saveAnswer(id, answer)
  rows.put('a' .. id, answer)
end

-- A row as a text.
function sessions.encode(row)
  keptId, keptRow = row.id, row
  keptText = pack(
    row.birth, row.seenAt, row.deadMs, row.batch, row.posted, row.acked, row.waiting, row.isHaunted, row.dueAt,
    row.keepUntil
  )
  return keptText
end

function sessions.flush()
  for id, row in next, byId do
    if row and row.isChanged then
      rows.put('s' .. id, sessions.encode(row))
    end
  end
end

return sessions
