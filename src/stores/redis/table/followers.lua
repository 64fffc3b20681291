-- Who is looked at again when a request ends: those who remember it as the one that holds them back. In a plain line
-- that is one for each, so the row of a request names its follower. Only where there are several each of them is listed
-- in the index of lines.
--
-- `follower` is the only request that has ever remembered the row, false for none, MANY for several.
local followers = {}

local indexes = module.indexes
local emptied = module.scratch.emptied

local MANY = 0

-- The followers of what ended in this batch, but for MANY.
local left = {}
-- Those who stand first in line: they followed what was held by one claim exclusively, with no chain for which it could
-- have passed anybody. Everybody at the resource conflicted with that, so nobody was left before it; and nobody stands
-- between it and who follows it.
local heirs = {}

function followers.begin()
  if next(left) then
    left, heirs = emptied(left), emptied(heirs)
  end
end

local function nameBehind(blocker)
  return 'b' .. string.format('%d', blocker) .. '\0'
end

local function list(row, blocker)
  row.isListed, row.isChanged = true, true
  indexes.put(indexes.lines, nameBehind(blocker) .. row.padded, '0')
end

local function follow(row, id)
  local blocker = id > 0 and module.requests.get(id)
  if not blocker then
    return list(row, id)
  end
  local other = blocker.follower
  if other == row.id then
    return
  end
  local first = other and other ~= MANY and module.requests.get(other)
  if first and first.indexedBlocker == id then
    list(first, id)
    other = MANY
  end
  if other == MANY then
    list(row, id)
  else
    other = row.id
  end
  blocker.follower, blocker.isTouched, blocker.isChanged = other, true, true
end

-- Notes that a request remembers another one, `blocker`, or none from now on (false).
function followers.move(row, blocker)
  if row.isListed then
    indexes.drop(indexes.lines, nameBehind(row.indexedBlocker) .. row.padded)
    row.isListed = false
  end
  if blocker then
    follow(row, blocker)
  end
  row.indexedBlocker = blocker
end

-- Whether it asks for one resource exclusively, and not as a tree.
local function isPlain(row)
  local claim = row.claims[1]
  return not row.claims[2] and claim.isExclusive and not claim.isTree
end

-- Notes whom a request that ends leaves behind.
function followers.leave(row)
  local follower = row.follower
  if follower == MANY then
    return
  end
  left[row.id] = follower
  if follower and row.isHeld and not row.chain and isPlain(row) then
    heirs[follower] = true
  end
end

-- Whether a waiting request stands first in the line of its only resource, as far as that is known without a look.
function followers.isHeir(row)
  return heirs[row.id] and not row.chain and isPlain(row) and module.turn.meta.trees == 0
end

local function onlyBehind(id)
  local follower = left[id]
  local row = follower and module.requests.get(follower)
  return row and row.indexedBlocker == id and row or nil
end

-- Waiting requests that remember one that has ended.
function followers.behind(id, limit)
  if left[id] == nil then
    return module.requests.listed(indexes.lines, nameBehind(id), limit)
  end
  return { onlyBehind(id) }
end

-- Of one that has ended, but behind which a later batch looks: what this one knows must then be found.
function followers.keep(id)
  local row = onlyBehind(id)
  if row then
    list(row, id)
  end
end

return followers
