-- Who held each resource last: JSON of when that lease ended (wall clock), its fencing token, its agent, its reason.
-- The row is in the rows; the order in which leases ended, so that the oldest can be forgotten, in a set of its own.
local previous = {}

local indexes, rows = module.indexes, module.rows

function previous.want(id)
  rows.want('p' .. id)
end

-- The JSON, if that lease ended after `oldest`, else false.
function previous.get(id, oldest)
  local text = rows.get('p' .. id)
  return text and tonumber(string.match(text, '^%[(%d+)')) > oldest and text
end

function previous.put(id, text)
  local meta = module.turn.meta
  meta.tick = meta.tick + 1
  rows.put('p' .. id, text)
  indexes.put(indexes.previous, id, string.format('%d', meta.tick))
end

-- For lone.lua, which writes the row itself: puts a resource at the end of the order, and forgets the oldest beyond
-- `keep`.
function previous.add(id, keep)
  local meta = module.turn.meta
  meta.tick = meta.tick + 1
  meta.remembered = meta.remembered + redis.call('ZADD', module.keys.previous, string.format('%d', meta.tick), id)
  if meta.remembered <= keep then
    return
  end
  local forgotten = redis.call('ZPOPMIN', module.keys.previous, meta.remembered - keep)
  for index = 1, #forgotten, 2 do
    redis.call('HDEL', module.keys.rows, 'p' .. forgotten[index])
  end
  meta.remembered = keep
end

-- Forgets the oldest beyond `keep`: once for a batch, so what it has ended itself may be more for a moment.
function previous.flush(keep)
  local meta = module.turn.meta
  meta.remembered = meta.remembered + indexes.flush(indexes.previous)
  if meta.remembered <= keep then
    return
  end
  local forgotten = redis.call('ZPOPMIN', module.keys.previous, meta.remembered - keep)
  for index = 1, #forgotten, 2 do
    rows.drop('p' .. forgotten[index])
  end
  meta.remembered = keep
end

return previous
