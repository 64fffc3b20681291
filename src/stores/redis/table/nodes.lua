-- What stands at a resource, so that most looks need no index: one row per resource at which, or under which, anything
-- stands. Where nothing stands but one exclusive claim on the resource alone, the row is the id of its request; else it
-- is a list of counts.
local nodes = {}

local rows = module.rows
local emptied = module.scratch.emptied
local pack, unpackText = cmsgpack.pack, cmsgpack.unpack

-- false: nothing; a number: the one exclusive holder; a table: counts.
local byResource, changed = {}, {}

function nodes.begin()
  byResource, changed = emptied(byResource), emptied(changed)
end

-- `exclusive` is the request that holds the resource exclusively (there is never a second one, because what is dead is
-- ended before anybody is granted), `exclusiveTree` whether its claim is a tree. The others count claims: held shared
-- ones, waiting ones on this resource, the tree claims among them, and those that wait under it.
local FIELDS = {
  'exclusive', 'exclusiveTree', 'shared', 'sharedTree',
  'waitingExclusive', 'waitingShared', 'waitingExclusiveTree', 'waitingSharedTree',
  'underExclusive', 'underShared',
}

local EMPTY = {}
for _, field in ipairs(FIELDS) do
  EMPTY[field] = 0
end

local function counts(exclusive)
  local node = {}
  for _, field in ipairs(FIELDS) do
    node[field] = 0
  end
  node.exclusive = exclusive
  return node
end

local function decode(text)
  if not text then
    return false
  end
  local id = tonumber(text)
  if id then
    return id
  end
  local node, list = {}, unpackText(text)
  for index, field in ipairs(FIELDS) do
    node[field] = list[index]
  end
  return node
end

local function encode(node)
  if type(node) == 'number' then
    return string.format('%d', node)
  end
  if node.isAlone then
    return string.format('%d', node.exclusive)
  end
  local list, isEmpty = {}, true
  for index, field in ipairs(FIELDS) do
    list[index] = node[field]
    isEmpty = isEmpty and node[field] == 0
  end
  return not isEmpty and pack(list)
end

local function read(id)
  local node = byResource[id]
  if node == nil then
    node = decode(rows.get('n' .. id))
    byResource[id] = node
  end
  return node
end

-- Counts of what stands at a resource, to look at.
function nodes.get(id)
  local node = read(id)
  if not node then
    return EMPTY
  end
  if type(node) == 'number' then
    node = counts(node)
    node.isAlone = true
    byResource[id] = node
  end
  return node
end

-- Whether anything stands at, or waits under, a resource.
function nodes.isTaken(id)
  return read(id) ~= false
end

-- The request that holds a resource exclusively; false where there is none.
function nodes.holderOf(id)
  local node = read(id)
  if type(node) == 'table' then
    node = node.exclusive
  end
  return node ~= 0 and node
end

-- Notes that a resource will be asked for.
function nodes.want(id)
  if byResource[id] == nil then
    rows.want('n' .. id)
  end
end

-- Counts to change. Whoever has held the resource alone is no longer alone: its row must be read when it ends.
function nodes.change(id)
  local node = read(id)
  changed[id] = true
  if not node then
    node = counts(0)
    byResource[id] = node
    return node
  end
  node = nodes.get(id)
  if node.isAlone then
    node.isAlone = false
    module.requests.touch(node.exclusive)
  end
  return node
end

-- An exclusive claim on the resource alone is held. Says whether nothing else stands there.
function nodes.hold(id, request)
  if read(id) then
    nodes.change(id).exclusive = request
    return false
  end
  byResource[id] = request
  changed[id] = true
  return true
end

-- The claim of a request that was alone at the resource ends.
function nodes.clear(id)
  rows.assume('n' .. id, false)
  byResource[id] = false
  changed[id] = true
end

function nodes.flush()
  for id in next, changed do
    local node = byResource[id]
    local text = node and encode(node)
    if text then
      rows.put('n' .. id, text)
    else
      rows.drop('n' .. id)
    end
  end
  changed = emptied(changed)
end

return nodes
