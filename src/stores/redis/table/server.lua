-- Writes. What can be refused is refused before the first of them: by the table itself, because all of its rules come
-- before it writes anything; by the server (read-only, no disk, no memory), because it looks before it starts the call.
-- From then on Redis lets the call come to its end. So a batch is applied as a whole or not at all.
local server = {}

-- Arguments of one command that Lua can hand over.
local CHUNK = 4000

-- Writes a command with the first `count` of these arguments, `width` of which belong together. Returns the sum of its
-- replies.
function server.writeMany(command, key, arguments, count, width)
  if count <= CHUNK then
    return count > 0 and redis.call(command, key, unpack(arguments, 1, count)) or 0
  end
  local sum = 0
  local size = CHUNK - CHUNK % width
  for start = 1, count, size do
    sum = sum + redis.call(command, key, unpack(arguments, start, math.min(start + size - 1, count)))
  end
  return sum
end

-- Removes what an earlier life of the namespace left behind its lost row.
function server.removeLeftovers()
  local keys = module.keys
  redis.call(
    'DEL', keys.held, keys.lines, keys.due, keys.wanted, keys.sessions, keys.unsettled, keys.previous, keys.log
  )
end

return server
