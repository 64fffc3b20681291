-- What stands at a resource, so that most looks need no index: one row per resource at which, or under which, anything
-- stands. Where nothing stands but one exclusive claim on the resource alone, the row is the id of its request; else it
-- is counts, of which the rare ones are left out where all of them are 0.
local nodes = {}

local rows = module.rows
local emptied = module.scratch.emptied
local pack, unpackText = cmsgpack.pack, cmsgpack.unpack
local format = string.format

-- false: nothing; a number: the one exclusive holder; a table: counts.
local byResource, changed = {}, {}

function nodes.begin()
  if next(byResource) then
    byResource, changed = emptied(byResource), emptied(changed)
  end
end

-- `exclusive` is the request that holds the resource exclusively (there is never a second one, because what is dead is
-- ended before anybody is granted), `exclusiveTree` whether its claim is a tree. `last` is the request that came last
-- of all that wait at the resource, 0 where that is not known. The others count claims: held shared ones, waiting ones
-- on this resource, the tree claims among them, and those that wait under it.
local function counts(exclusive, waitingExclusive, underExclusive, last)
  return {
    exclusive = exclusive,
    exclusiveTree = 0,
    shared = 0,
    sharedTree = 0,
    waitingExclusive = waitingExclusive,
    waitingShared = 0,
    waitingExclusiveTree = 0,
    waitingSharedTree = 0,
    underExclusive = underExclusive,
    underShared = 0,
    last = last,
    isAlone = false,
  }
end

local EMPTY = counts(0, 0, 0, 0)

-- What no id begins with.
local COUNTS = false

-- Of a row with none of the rare counts: the exclusive holder, how many wait exclusively, how many under it, who came
-- last; nil of any other.
function nodes.decodePlain(text)
  if not text then
    return 0, 0, 0, 0
  elseif tonumber(text) then
    return nil
  end
  local _, exclusive, waitingExclusive, underExclusive, last, rare = unpackText(text)
  if rare then
    return nil
  end
  return exclusive, waitingExclusive, underExclusive, last
end

-- The reverse; false for a row that is not needed.
function nodes.encodePlain(exclusive, waitingExclusive, underExclusive, last)
  return (exclusive > 0 or waitingExclusive > 0 or underExclusive > 0)
    and pack(COUNTS, exclusive, waitingExclusive, underExclusive, last)
end

-- The row of a plain resource with more or less that waits under it; nil of any other.
function nodes.countUnder(text, change)
  local exclusive, waitingExclusive, underExclusive, last = nodes.decodePlain(text)
  if not exclusive then
    return nil
  end
  return nodes.encodePlain(exclusive, waitingExclusive, underExclusive + change, last)
end

local function decode(text)
  local id = text and tonumber(text)
  if id or not text then
    return id or false
  end
  local _, exclusive, waitingExclusive, underExclusive, last, shared, sharedTree, waitingShared, exclusiveTree,
    waitingExclusiveTree, waitingSharedTree, underShared = unpackText(text)
  local node = counts(exclusive, waitingExclusive, underExclusive, last)
  if shared then
    node.shared, node.sharedTree, node.waitingShared = shared, sharedTree, waitingShared
    node.exclusiveTree, node.waitingExclusiveTree, node.waitingSharedTree =
      exclusiveTree, waitingExclusiveTree, waitingSharedTree
    node.underShared = underShared
  end
  return node
end

local function hasRareCounts(node)
  return node.shared > 0 or node.waitingShared > 0 or node.underShared > 0 or node.exclusiveTree > 0
    or node.waitingExclusiveTree > 0
end

local function encode(node)
  if type(node) == 'number' then
    return format('%d', node)
  end
  local exclusive, waitingExclusive, underExclusive = node.exclusive, node.waitingExclusive, node.underExclusive
  if hasRareCounts(node) then
    return pack(
      COUNTS, exclusive, waitingExclusive, underExclusive, node.last, node.shared, node.sharedTree, node.waitingShared,
      node.exclusiveTree, node.waitingExclusiveTree, node.waitingSharedTree, node.underShared
    )
  end
  if node.isAlone then
    return format('%d', exclusive)
  end
  return nodes.encodePlain(exclusive, waitingExclusive, underExclusive, node.last)
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
    node = counts(node, 0, 0, 0)
    node.isAlone = true
    byResource[id] = node
  end
  return node
end

-- Whether anything stands at, or waits under, a resource.
function nodes.isTaken(id)
  return read(id) ~= false
end

-- The request that holds a resource exclusively, and the one that came last of those that wait there; 0 for none.
function nodes.ends(id)
  local node = read(id)
  if type(node) == 'table' then
    return node.exclusive, node.last
  end
  return node or 0, 0
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
    node = counts(0, 0, 0, 0)
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
