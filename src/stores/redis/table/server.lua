-- Writes. What can be refused is refused before the first of them: by the table itself, because all of its rules come
-- before it writes anything; by the server (read-only, no disk, no memory), because it looks before it starts the call.
-- From then on Redis lets the call come to its end. So a batch is applied as a whole or not at all, except where
-- somebody else has written to these keys: see halt.lua.
local server = {}

-- Whether the batch has written anything.
server.hasWritten = false

-- Arguments of one command that Lua can hand over.
local CHUNK = 4000

-- Writes a command with the first `count` of these arguments, `width` of which belong together. Returns the sum of its
-- replies.
function server.writeMany(command, key, arguments, count, width)
  if count == 0 then
    return 0
  end
  local sum = 0
  local size = CHUNK - CHUNK % width
  for start = 1, count, size do
    sum = sum + redis.call(command, key, unpack(arguments, start, math.min(start + size - 1, count)))
    server.hasWritten = true
  end
  return sum
end

return server
