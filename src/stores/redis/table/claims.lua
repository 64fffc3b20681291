-- The index of claims: how they come and go. looks.lua finds them again.
local claims = {}

local indexes, nodes, places, resource, rows =
  module.indexes, module.nodes, module.places, module.resource, module.rows
local emptied = module.scratch.emptied
local held, lines = indexes.held, indexes.lines

local function indexHeld(apply, claim, id)
  apply(held, (claim.isExclusive and 'x' or 's') .. claim.id .. '\0' .. id, '0')
  if claim.isTree and not claim.isExclusive then
    apply(held, 't' .. claim.id .. '\0' .. id, '0')
  end
end

-- Tree claims.

local trees = {}

function claims.begin()
  if next(trees) then
    trees = emptied(trees)
  end
end

local function treesIn(type)
  local count = trees[type]
  if count == nil then
    count = tonumber(rows.get('t' .. type) or 0)
    trees[type] = count
  end
  return count
end

local function countTree(id, change)
  local type = resource.typeOf(id)
  local count = treesIn(type) + change
  trees[type] = count
  if count == 0 then
    rows.drop('t' .. type)
  else
    rows.put('t' .. type, string.format('%d', count))
  end
  module.turn.meta.trees = module.turn.meta.trees + change
end

-- Whether any tree claim stands in the type of this resource, so that its ancestors must be looked at.
function claims.hasTreesAround(id)
  return module.turn.meta.trees > 0 and treesIn(resource.typeOf(id)) > 0
end

-- A request comes and goes.

local function addHeldClaim(row, claim)
  indexHeld(indexes.put, claim, row.padded)
  if claim.isTree then
    countTree(claim.id, 1)
  elseif claim.isExclusive then
    if not nodes.hold(claim.id, row.id) then
      module.requests.touch(row.id)
    end
    return
  end
  local node = nodes.change(claim.id)
  if claim.isExclusive then
    node.exclusive, node.exclusiveTree = row.id, 1
  else
    node.shared = node.shared + 1
    node.sharedTree = node.sharedTree + (claim.isTree and 1 or 0)
  end
end

local function dropHeldClaim(row, claim)
  indexHeld(indexes.drop, claim, row.padded)
  if claim.isTree then
    countTree(claim.id, -1)
  elseif claim.isExclusive and not row.isTouched then
    return nodes.clear(claim.id)
  end
  local node = nodes.change(claim.id)
  if claim.isExclusive then
    node.exclusive, node.exclusiveTree = 0, 0
  else
    node.shared = node.shared - 1
    node.sharedTree = node.sharedTree - (claim.isTree and 1 or 0)
  end
end

local function count(node, place, mode, change)
  local field = places.counter(place, mode)
  node[field] = node[field] + change
end

local function wantAll(ids)
  for at = 1, #ids do
    nodes.want(ids[at])
  end
end

local function changeWaitingClaim(row, claim, change)
  local mode = claim.isExclusive and 'x' or 's'
  local apply = change > 0 and indexes.put or indexes.drop
  local node = nodes.change(claim.id)
  count(node, 'at', mode, change)
  apply(lines, places.nameOf('at', mode, claim.id) .. row.padded, '0')
  if change > 0 then
    node.last = row.id
  elseif node.last == row.id then
    node.last = 0
  end
  if claim.isTree then
    countTree(claim.id, change)
    count(node, 'tree', mode, change)
    apply(lines, places.nameOf('tree', mode, claim.id) .. row.padded, '0')
  end
  local ancestors = resource.ancestorsOf(claim.id)
  wantAll(ancestors)
  rows.fetch()
  for at = 1, #ancestors do
    local ancestor = ancestors[at]
    count(nodes.change(ancestor), 'under', mode, change)
    apply(lines, places.nameOf('under', mode, ancestor) .. row.padded .. claim.id, '0')
  end
end

local function readNodes(row)
  if #row.claims > 1 then
    for _, claim in ipairs(row.claims) do
      nodes.want(claim.id)
    end
    rows.fetch()
  end
end

function claims.addHeld(row)
  readNodes(row)
  for _, claim in ipairs(row.claims) do
    addHeldClaim(row, claim)
  end
end

-- Notes the rows that will be needed when a request for this resource joins a line, or leaves it.
function claims.wantToWait(id)
  wantAll(resource.ancestorsOf(id))
end

-- Notes the rows that will be needed when a held request ends: none for what is alone at its resource.
function claims.wantToDrop(row)
  for _, claim in ipairs(row.claims) do
    if row.isTouched or claim.isTree or not claim.isExclusive then
      nodes.want(claim.id)
    end
    if row.follower then
      claims.wantToWait(claim.id)
    end
  end
end

function claims.dropHeld(row)
  claims.wantToDrop(row)
  rows.fetch()
  for _, claim in ipairs(row.claims) do
    dropHeldClaim(row, claim)
  end
end

function claims.addWaiting(row)
  readNodes(row)
  for _, claim in ipairs(row.claims) do
    changeWaitingClaim(row, claim, 1)
  end
end

function claims.dropWaiting(row)
  readNodes(row)
  for _, claim in ipairs(row.claims) do
    changeWaitingClaim(row, claim, -1)
  end
end

return claims
