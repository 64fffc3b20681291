-- The event log: one entry per batch that logged, named by the number of its last event and how many there are. The
-- entry is JSON: the wall clock, then the events. Reading filters exactly; trimming leaves whole entries.
local log = {}

-- The events of this batch, and how many; what stands behind them is of an earlier time.
local events, count = {}, 0

-- Old entries are forgotten once for so many events.
local TRIM_EVERY = 256

function log.begin()
  if count > TRIM_EVERY then
    events = {}
  end
  count = 0
end

function log.add(event)
  count = count + 1
  events[count] = event
end

-- Writes what the batch has logged, and forgets what is older than `keep` events. Comes before what else the batch
-- writes: that nobody else has written to the log is not known before.
function log.flush(last, keep)
  if count == 0 then
    return
  end
  local name = string.format('%d-%d', last, count)
  local text = '[' .. module.turn.wallNowText .. ',' .. table.concat(events, ',', 1, count) .. ']'
  if last % TRIM_EVERY < count then
    local oldest = string.format('%d', math.max(0, last - keep + 1))
    redis.call('XADD', module.keys.log, 'MINID', '~', oldest, name, 'e', text)
  else
    redis.call('XADD', module.keys.log, name, 'e', text)
  end
  module.server.hasWritten = true
  redis.pcall(module.turn.publish, module.keys.growth, '')
end

-- The entries with the events after a number, each as JSON of its last number, their count and its text: with at least
-- `limit` of these events, if there are as many.
function log.after(number, limit)
  local found, count = {}, 0
  local from = string.format('%d', number + 1)
  while count < limit do
    local size = math.min(limit - count, 64)
    local page = redis.call('XRANGE', module.keys.log, from, '+', 'COUNT', size)
    for _, entry in ipairs(page) do
      local name, fields = entry[1], entry[2]
      local last, events = string.match(name, '^(%d+)-(%d+)$')
      count = count + math.min(tonumber(events), tonumber(last) - number)
      found[#found + 1] = '[' .. last .. ',' .. events .. ',' .. fields[2] .. ']'
    end
    if #page < size then
      break
    end
    from = '(' .. page[#page][1]
  end
  return '[' .. table.concat(found, ',') .. ']'
end

return log
