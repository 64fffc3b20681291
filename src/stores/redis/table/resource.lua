-- Claims and how they relate. A claim crosses the wire, and is stored, as one text: its mode (x or s), its scope (n or
-- t), its resource.
local resource = {}

local emptied = module.scratch.emptied

local find = string.find

local EXCLUSIVE = string.byte('x')
local TREE = string.byte('t')

-- What was read in this batch.
local claims, ancestors = {}, {}

function resource.begin()
  if next(claims) then
    claims = emptied(claims)
  end
  if next(ancestors) then
    ancestors = emptied(ancestors)
  end
end

function resource.claim(text)
  local claim = claims[text]
  if not claim then
    local mode, scope = string.byte(text, 1, 2)
    claim = {
      text = text,
      id = string.sub(text, 3),
      isExclusive = mode == EXCLUSIVE,
      isTree = scope == TREE,
      json = false,
    }
    claims[text] = claim
  end
  return claim
end

-- One text, or a list of them.
function resource.claims(texts)
  if type(texts) == 'string' then
    return { resource.claim(texts) }
  end
  local found = {}
  for index = 1, #texts do
    found[index] = resource.claim(texts[index])
  end
  return found
end

-- A text without control characters as JSON.
local function quoted(text)
  if find(text, '["\\]') then
    return cjson.encode(text)
  end
  return '"' .. text .. '"'
end

resource.quoted = quoted

-- A claim as JSON.
function resource.json(claim)
  claim.json = claim.json or quoted(claim.text)
  return claim.json
end

-- Several claims as JSON.
function resource.listJson(list)
  if #list == 1 then
    return '[' .. resource.json(list[1]) .. ']'
  end
  local texts = {}
  for index = 1, #list do
    texts[index] = resource.json(list[index])
  end
  return '[' .. table.concat(texts, ',') .. ']'
end

-- The part of an id before its first colon.
function resource.typeOf(id)
  return string.match(id, '^[^:]*')
end

-- The ids above this one, nearest first; the last is the root of the type. A root has none.
function resource.ancestorsOf(id)
  local found = ancestors[id]
  if found ~= nil then
    return found
  end
  found = {}
  ancestors[id] = found
  local colon = string.find(id, ':', 1, true)
  if colon == #id then
    return found
  end
  local cuts = {}
  -- A slash right behind the colon has nothing before it but the root.
  local slash = string.find(id, '/', colon + 2, true)
  while slash do
    cuts[#cuts + 1] = slash
    slash = string.find(id, '/', slash + 1, true)
  end
  for index = #cuts, 1, -1 do
    found[#found + 1] = string.sub(id, 1, cuts[index] - 1)
  end
  found[#found + 1] = string.sub(id, 1, colon)
  return found
end

function resource.isRoot(id)
  return string.find(id, ':', 1, true) == #id
end

-- What every id strictly under this one starts with.
function resource.prefixUnder(id)
  return resource.isRoot(id) and id or id .. '/'
end

local function isUnder(id, ancestor)
  if #id <= #ancestor then
    return false
  end
  local prefix = resource.prefixUnder(ancestor)
  return string.sub(id, 1, #prefix) == prefix
end

-- Whether everything that `inner` touches, `outer` touches too, modes aside.
function resource.reachesOver(outer, inner)
  if outer.id == inner.id then
    return outer.isTree or not inner.isTree
  end
  return outer.isTree and isUnder(inner.id, outer.id)
end

-- Whether holding `outer` gives everything that holding `inner` would give.
function resource.covers(outer, inner)
  return (outer.isExclusive or not inner.isExclusive) and resource.reachesOver(outer, inner)
end

-- Whether two claims overlap and at least one of them is exclusive.
function resource.conflicts(a, b)
  if not (a.isExclusive or b.isExclusive) then
    return false
  end
  return a.id == b.id or resource.reachesOver(a, b) or resource.reachesOver(b, a)
end

-- The first of these claims that conflicts with any of those.
function resource.firstMeeting(ours, theirs)
  for _, mine in ipairs(ours) do
    for _, their in ipairs(theirs) do
      if resource.conflicts(mine, their) then
        return mine
      end
    end
  end
  return nil
end

function resource.meet(ours, theirs)
  return resource.firstMeeting(ours, theirs) ~= nil
end

return resource
