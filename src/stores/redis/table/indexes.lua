-- The sorted sets. Changes are gathered, and written before the same set is read or at the end of the batch; a batch
-- in which nobody stands in anybody's way reads none of them.
local indexes = {}

local keys, server = module.keys, module.server
local emptied = module.scratch.emptied

local ALL = { 'held', 'lines', 'due', 'wanted', 'sessions', 'unsettled', 'previous' }

for _, name in ipairs(ALL) do
  indexes[name] = { key = false, pending = {}, isChanged = false }
end

-- The namespace that was worked on last.
local lastRows
-- What is written, and behind it what was written at an earlier time.
local puts, drops = {}, {}

function indexes.begin()
  for at = 1, #ALL do
    local index = indexes[ALL[at]]
    if lastRows ~= keys.rows then
      index.key = keys[ALL[at]]
    end
    -- What a call that failed has left.
    if index.isChanged then
      index.pending, index.isChanged = {}, false
    end
  end
  lastRows = keys.rows
end

local ZEROS = {}
for length = 1, 16 do
  ZEROS[length] = string.rep('0', 16 - length)
end

-- An id as it stands in an index.
function indexes.padded(id)
  return string.format('%016d', id)
end

-- Likewise, given its digits: several times faster.
function indexes.filled(digits)
  return ZEROS[#digits] .. digits
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

-- Numbers that the server is told again and again.
local texts = {}

local function textOf(number)
  local text = texts[number]
  if not text then
    text = string.format('%d', number)
    texts[number] = text
  end
  return text
end

-- Writes what was gathered; says how many members are new.
function indexes.flush(index)
  if not index.isChanged then
    return 0
  end
  local lastPut, lastDrop = 0, 0
  for member, score in next, index.pending do
    if score then
      puts[lastPut + 1], puts[lastPut + 2] = score, member
      lastPut = lastPut + 2
    else
      lastDrop = lastDrop + 1
      drops[lastDrop] = member
    end
  end
  index.pending = emptied(index.pending)
  index.isChanged = false
  local added = server.writeMany('ZADD', index.key, puts, lastPut, 2)
  server.writeMany('ZREM', index.key, drops, lastDrop, 1)
  return added
end

function indexes.flushAll()
  for at = 1, #ALL do
    local index = indexes[ALL[at]]
    if index.isChanged then
      indexes.flush(index)
    end
  end
end

-- Members in order of text, between two limits in the notation of ZRANGEBYLEX.
function indexes.range(index, from, to, limit)
  indexes.flush(index)
  return redis.call('ZRANGEBYLEX', index.key, from, to, 'LIMIT', '0', textOf(limit))
end

-- The last member between two limits.
function indexes.last(index, from, to)
  indexes.flush(index)
  return redis.call('ZREVRANGEBYLEX', index.key, to, from, 'LIMIT', '0', '1')[1]
end

function indexes.count(index, from, to)
  indexes.flush(index)
  return redis.call('ZLEXCOUNT', index.key, from, to)
end

-- The members with the lowest scores, each followed by its score.
function indexes.lowest(index, count)
  indexes.flush(index)
  return redis.call('ZRANGE', index.key, '0', textOf(count - 1), 'WITHSCORES')
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
