-- The rows that are looked up by name: read at most once, written once at the end of the batch.
local rows = {}

local keys, server = module.keys, module.server
local emptied = module.scratch.emptied
local call = redis.call
local CHUNK = 4000

-- Stands for a text that is to be read.
local WANTED = 0

-- What stands in each field as far as it is known, with what the batch has changed; false for nothing.
local known, changed = {}, {}
-- Fields that are to be read together, and how many; what stands behind them is of an earlier time.
local wanted, wantedCount = {}, 0
-- What is written, likewise.
local puts, drops = {}, {}

function rows.begin()
  known, changed, wantedCount = emptied(known), emptied(changed), 0
end

-- Notes that a row will be needed.
function rows.want(field)
  if known[field] == nil then
    known[field] = WANTED
    wantedCount = wantedCount + 1
    wanted[wantedCount] = field
  end
end

-- Reads what was noted, in one command.
function rows.fetch()
  local count = wantedCount
  if count == 0 then
    return
  end
  for start = 1, count, CHUNK do
    local last = math.min(start + CHUNK - 1, count)
    local found = call('HMGET', keys.rows, unpack(wanted, start, last))
    for index = start, last do
      local field = wanted[index]
      -- It may have been written since it was noted.
      if known[field] == WANTED then
        known[field] = found[index - start + 1]
      end
    end
  end
  wantedCount = 0
  if count > CHUNK then
    wanted = {}
  end
end

-- Reads two to four rows, before anything else was asked for.
function rows.read(first, second, third, fourth)
  local found = fourth and call('HMGET', keys.rows, first, second, third, fourth)
    or third and call('HMGET', keys.rows, first, second, third)
    or call('HMGET', keys.rows, first, second)
  known[first], known[second] = found[1], found[2]
  if third then
    known[third] = found[3]
  end
  if fourth then
    known[fourth] = found[4]
  end
  return found
end

-- The text of a row, or false.
function rows.get(field)
  local text = known[field]
  if text == nil then
    text = call('HGET', keys.rows, field)
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
  local lastPut, lastDrop = 0, 0
  for field in next, changed do
    local text = known[field]
    if text then
      puts[lastPut + 1], puts[lastPut + 2] = field, text
      lastPut = lastPut + 2
    else
      lastDrop = lastDrop + 1
      drops[lastDrop] = field
    end
  end
  changed = emptied(changed)
  server.writeMany('HSET', keys.rows, puts, lastPut, 2)
  server.writeMany('HDEL', keys.rows, drops, lastDrop, 1)
  if lastPut + lastDrop > CHUNK then
    puts, drops = {}, {}
  end
end

return rows
