-- The sorted sets. Changes are gathered, and written before the same set is read or at the end of the batch; a batch
-- in which nobody stands in anybody's way reads none of them.
local indexes = {}

local ALL = { 'held', 'lines', 'due', 'wanted', 'sessions', 'unsettled', 'previous' }

for _, name in ipairs(ALL) do
  indexes[name] = {}
end

function indexes.begin()
  for _, name in ipairs(ALL) do
    local index = indexes[name]
    index.key = module.keys[name]
    -- What a call that failed has left.
    if index.isChanged ~= false then
      index.pending, index.isChanged = {}, false
    end
  end
end

-- An id as it stands in an index.
function indexes.padded(id)
  return string.format('%016d', id)
end

-- `score` is text: '0' in the sets that are ordered by text.
function indexes.put(index, member, score)
  index.pending[member] = score
  index.isChanged = true
end

function indexes.drop(index, member)
  index.pending[member] = false
  index.isChanged = true
end

-- Writes what was gathered; says how many members are new.
function indexes.flush(index)
  if not index.isChanged then
    return 0
  end
  local puts, drops = {}, {}
  local lastPut, lastDrop = 0, 0
  for member, score in pairs(index.pending) do
    if score then
      puts[lastPut + 1], puts[lastPut + 2] = score, member
      lastPut = lastPut + 2
    else
      lastDrop = lastDrop + 1
      drops[lastDrop] = member
    end
  end
  index.pending = {}
  index.isChanged = false
  local added = module.server.writeMany('ZADD', index.key, puts, 2)
  module.server.writeMany('ZREM', index.key, drops, 1)
  return added
end

function indexes.flushAll()
  for _, name in ipairs(ALL) do
    indexes.flush(indexes[name])
  end
end

-- Members in order of text, between two limits in the notation of ZRANGEBYLEX.
function indexes.range(index, from, to, limit)
  indexes.flush(index)
  return redis.call('ZRANGEBYLEX', index.key, from, to, 'LIMIT', 0, limit)
end

-- The last member between two limits.
function indexes.last(index, from, to)
  indexes.flush(index)
  return redis.call('ZREVRANGEBYLEX', index.key, to, from, 'LIMIT', 0, 1)[1]
end

function indexes.count(index, from, to)
  indexes.flush(index)
  return redis.call('ZLEXCOUNT', index.key, from, to)
end

-- The members with the lowest scores, each followed by its score.
function indexes.lowest(index, count)
  indexes.flush(index)
  return redis.call('ZRANGE', index.key, 0, count - 1, 'WITHSCORES')
end

-- The members whose score has come, lowest first. Where there is none: also the lowest score there is, `math.huge` for
-- an empty set.
function indexes.timely(index, now, limit)
  local found = indexes.lowest(index, limit)
  local members = {}
  for at = 1, #found, 2 do
    if tonumber(found[at + 1]) > now then
      break
    end
    members[#members + 1] = found[at]
  end
  if #members > 0 then
    return members, nil
  end
  return members, tonumber(found[2]) or math.huge
end

return indexes
