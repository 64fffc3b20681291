-- What becomes of a batch that met what the table has not written: a key of another type, a row that says nothing.
-- Where nothing was written yet, nothing was done. Else half of the batch stands, and cannot be taken back, for what
-- stood there before is overwritten. The namespace then goes without its rows: it begins anew, as after a loss of all
-- data, of which everybody is told.
local halt = {}

local keys, server = module.keys, module.server

-- Looks that need no other permission than the table does. An absent key is of every type.
local function isForeign(name)
  local reply
  if name == 'log' then
    reply = redis.pcall('XRANGE', keys.log, '-', '+', 'COUNT', 1)
  else
    reply = redis.pcall('ZRANGE', keys[name], 0, 0)
  end
  return reply.err ~= nil
end

-- A key that holds what cannot be of this table, or nil.
local function foreignKey()
  for _, name in ipairs(keys.INDEXES) do
    if isForeign(name) then
      return keys[name]
    end
  end
  return nil
end

-- Removes what an earlier life of the namespace left behind its lost row; says what cannot be its own.
function halt.removeLeftovers()
  local foreign = foreignKey()
  if foreign then
    return '!foreign ' .. foreign
  end
  redis.call(
    'DEL', keys.held, keys.lines, keys.due, keys.wanted, keys.sessions, keys.unsettled, keys.previous, keys.log
  )
  return nil
end

-- The answer to a batch that ended in an error. The server's own errors begin with a word in capitals.
function halt.answer(problem)
  local said = type(problem) == 'table' and problem.err or problem
  if server.hasWritten then
    redis.call('DEL', keys.rows)
    return '!torn ' .. (foreignKey() or keys.rows) .. ' ' .. said
  elseif string.find(said, '^WRONGTYPE ') then
    return '!foreign ' .. (foreignKey() or keys.rows)
  elseif string.find(said, '^%u%u+ ') then
    return { err = said }
  end
  return '!garbled ' .. said
end

return halt
