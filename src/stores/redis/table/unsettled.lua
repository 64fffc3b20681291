-- Ended requests whose waiters have not all been looked at yet, in the order in which they ended.
local unsettled = {}

local indexes = module.indexes

-- One that is there already keeps its place.
function unsettled.add(ids)
  indexes.flush(indexes.unsettled)
  local meta = module.turn.meta
  local arguments = {}
  for _, id in ipairs(ids) do
    meta.tick = meta.tick + 1
    arguments[#arguments + 1] = string.format('%d', meta.tick)
    arguments[#arguments + 1] = string.format('%d', id)
  end
  if #arguments > 0 then
    redis.call('ZADD', module.keys.unsettled, 'NX', unpack(arguments))
    module.server.hasWritten = true
  end
end

function unsettled.delete(id)
  indexes.drop(indexes.unsettled, string.format('%d', id))
end

function unsettled.first(limit)
  local found = indexes.lowest(indexes.unsettled, limit)
  local ids = {}
  for index = 1, #found, 2 do
    ids[#ids + 1] = tonumber(found[index])
  end
  return ids
end

return unsettled
