-- The requests: each waits, or is held.
--
-- In memory a row has the fields that texts.decode lists; those that may be absent are false. Agent, chain, reason and
-- metadata are JSON as the client wrote it: nobody here needs to know what it says. `owners` is false while whoever
-- asked is the only one; else a list of hash, session, hash, session …
--
-- A row that is not touched is alone: no request remembers it as the one that holds it back, and wherever it holds a
-- resource exclusively, not as a tree, nothing else stands there. So it ends without a look at anything.
--
-- Rows are changed in place; whoever changes one says so with requests.update, which keeps the indexes.
local requests = {}

local claims, followers, indexes, rows, texts =
  module.claims, module.followers, module.indexes, module.rows, module.texts
local due, wanted, held, lines = indexes.due, indexes.wanted, indexes.held, indexes.lines
local emptied = module.scratch.emptied
local format = string.format

-- Rows by id: false for none.
local byId = {}

function requests.begin()
  if next(byId) then
    byId = emptied(byId)
  end
end

function requests.get(id)
  local row = byId[id]
  if row == nil then
    local digits = format('%d', id)
    local text = rows.get('r' .. digits)
    row = text and texts.decode(id, digits, text)
    byId[id] = row
  end
  return row
end

-- Notes that a request will be asked for.
function requests.want(id)
  if byId[id] == nil then
    rows.want('r' .. format('%d', id))
  end
end

-- Whether a request, read or noted before, seems to be a lease that alone.lua can end.
function requests.seemsAlone(id)
  local text = byId[id] == nil and rows.get('r' .. format('%d', id))
  return text and texts.seemsAlone(text)
end

-- For alone.lua: what a request says that its short way can do with; nothing for any other. `digits` are those of its
-- id.
function requests.getAlone(id, digits)
  local text = byId[id] == nil and rows.get('r' .. digits)
  if text then
    return texts.decodeAlone(text)
  end
  return nil
end

function requests.putAlone(digits, text)
  rows.put('r' .. digits, text)
end

function requests.dropAlone(id, digits)
  byId[id] = false
  rows.drop('r' .. digits)
end

-- Notes that something refers to a request: from now on its end must look around.
function requests.touch(id)
  local row = requests.get(id)
  if row and not row.isTouched then
    row.isTouched = true
    row.isChanged = true
  end
end

local function index(row, set, old, new)
  if old then
    if new then
      indexes.put(set, row.padded, format('%d', new))
    else
      indexes.drop(set, row.padded)
    end
  elseif new then
    indexes.put(set, row.padded, format('%d', new))
  end
end

-- Brings the indexes of what may change up to the row.
local function reindex(row)
  if row.dueAt ~= row.indexedDue then
    index(row, due, row.indexedDue, row.dueAt)
    row.indexedDue = row.dueAt
    module.turn.expect(row.dueAt)
  end
  local wantedAt = row.isWanted and row.dueAt
  if wantedAt ~= row.indexedWanted then
    index(row, wanted, row.indexedWanted, wantedAt)
    row.indexedWanted = wantedAt
  end
  local blocker = not row.isHeld and row.blocker
  if blocker ~= row.indexedBlocker then
    followers.move(row, blocker)
  end
end

local function addToLine(row)
  claims.addWaiting(row)
  indexes.put(lines, 'w' .. row.session .. '\0' .. row.padded, '0')
  if row.chain then
    indexes.put(lines, 'c' .. row.chain .. '\0' .. row.padded, '0')
  end
end

local function dropFromLine(row)
  claims.dropWaiting(row)
  indexes.drop(lines, 'w' .. row.session .. '\0' .. row.padded)
  if row.chain then
    indexes.drop(lines, 'c' .. row.chain .. '\0' .. row.padded)
  end
end

local function addToHeld(row)
  claims.addHeld(row)
  if row.chain then
    indexes.put(held, 'c' .. row.chain .. '\0' .. row.padded, '0')
  end
end

local function dropFromHeld(row)
  claims.dropHeld(row)
  if row.chain then
    indexes.drop(held, 'c' .. row.chain .. '\0' .. row.padded)
  end
end

function requests.insert(row)
  row.isNew = true
  row.isChanged = true
  row.isIndexedHeld = row.isHeld
  byId[row.id] = row
  if row.isHeld then
    addToHeld(row)
  else
    addToLine(row)
  end
  reindex(row)
end

-- Everything but session, birth, agent, chain, claims, reason and metadata may have changed.
function requests.update(row)
  row.isChanged = true
  if row.isHeld and not row.isIndexedHeld then
    dropFromLine(row)
    addToHeld(row)
    row.isIndexedHeld = true
  end
  reindex(row)
end

function requests.delete(row)
  local id = row.id
  if byId[id] ~= row then
    return
  end
  if row.isIndexedHeld then
    dropFromHeld(row)
  else
    dropFromLine(row)
  end
  if row.indexedDue then
    indexes.drop(due, row.padded)
  end
  if row.indexedWanted then
    indexes.drop(wanted, row.padded)
  end
  if row.indexedBlocker then
    followers.move(row, false)
  end
  byId[id] = false
  followers.leave(row)
  if not row.isNew then
    rows.drop('r' .. format('%d', id))
  end
end

-- The requests of these ids, which are texts; absent ones are left out.
local function readAll(ids)
  for _, id in ipairs(ids) do
    requests.want(tonumber(id))
  end
  rows.fetch()
  local found = {}
  for _, id in ipairs(ids) do
    local row = requests.get(tonumber(id))
    if row then
      found[#found + 1] = row
    end
  end
  return found
end

requests.readAll = readAll

-- The requests of a list in order of id.
function requests.listed(set, name, limit)
  local ids = {}
  for at, member in ipairs(indexes.range(set, '(' .. name, '(' .. name .. ':', limit)) do
    ids[at] = string.sub(member, #name + 1)
  end
  return readAll(ids)
end

-- Requests whose time has come, earliest first.
function requests.due(now, limit)
  local turn = module.turn
  if now < turn.meta.nextDue then
    return {}
  end
  local ids, nextDue = indexes.timely(due, now, limit)
  turn.meta.nextDue = nextDue or turn.meta.nextDue
  return readAll(ids)
end

-- When the next wanted lease expires: text, nil if there is none.
function requests.nextWanted()
  return indexes.lowest(wanted, 1)[2]
end

function requests.waitingOfChain(chain, limit)
  return requests.listed(lines, 'c' .. chain .. '\0', limit)
end

function requests.heldOfChain(chain, limit)
  return requests.listed(held, 'c' .. chain .. '\0', limit)
end

function requests.waitingOf(session, limit)
  return requests.listed(lines, 'w' .. session .. '\0', limit)
end

function requests.flush()
  for id, row in next, byId do
    if row and row.isChanged then
      rows.put('r' .. format('%d', id), texts.encode(row))
    end
  end
end

return requests
