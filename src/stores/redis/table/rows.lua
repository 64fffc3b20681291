-- The rows that are looked up by name: read at most once, written once at the end of the batch.
local rows = {}

local keys = module.keys
local CHUNK = 4000

-- Stands for a text that is to be read.
local WANTED = 0

-- What stands in each field as far as it is known, with what the batch has changed; false for nothing.
local known, changed
-- Fields that are to be read together.
local wanted

function rows.begin()
  known, changed, wanted = {}, {}, {}
end

-- Notes that a row will be needed.
function rows.want(field)
  if known[field] == nil then
    known[field] = WANTED
    wanted[#wanted + 1] = field
  end
end

-- Reads what was noted, in one command.
function rows.fetch()
  local count = #wanted
  if count == 0 then
    return
  end
  for start = 1, count, CHUNK do
    local last = math.min(start + CHUNK - 1, count)
    local found = redis.call('HMGET', keys.rows, unpack(wanted, start, last))
    for index = start, last do
      local field = wanted[index]
      -- It may have been written since it was noted.
      if known[field] == WANTED then
        known[field] = found[index - start + 1]
      end
    end
  end
  wanted = {}
end

-- The text of a row, or false.
function rows.get(field)
  local text = known[field]
  if text == nil then
    text = redis.call('HGET', keys.rows, field)
    known[field] = text
  elseif text == WANTED then
    rows.fetch()
    text = known[field]
  end
  return text
end

function rows.put(field, text)
  known[field] = text
  changed[field] = true
end

function rows.drop(field)
  known[field] = false
  changed[field] = true
end

-- Says what stands in a row without reading it.
function rows.assume(field, text)
  known[field] = text
end

function rows.hasChanged()
  return next(changed) ~= nil
end

function rows.flush()
  local puts, drops = {}, {}
  local lastPut, lastDrop = 0, 0
  for field in pairs(changed) do
    local text = known[field]
    if text then
      puts[lastPut + 1], puts[lastPut + 2] = field, text
      lastPut = lastPut + 2
    else
      lastDrop = lastDrop + 1
      drops[lastDrop] = field
    end
  end
  changed = {}
  module.server.writeMany('HSET', keys.rows, puts, 2)
  module.server.writeMany('HDEL', keys.rows, drops, 1)
end

return rows
