-- A plain line: requests for one resource, exclusively and not as a tree, each with nothing but an agent and a chain,
-- each behind the one that came before it; and no trees anywhere. This is what its short ways share: relay.lua along
-- it, joining.lua to its end. They leave what the long way would leave (acquiring.lua, holding.lua). As in lone.lua all
-- is checked before the first write, and whatever is not as plain as that is left to the long way.
local plainline = {}

local keys, nodes, server = module.keys, module.nodes, module.server
local sub = string.sub

-- Whether the message that the batch acknowledges last is the one that was posted, and says that this request was
-- granted. `digits` are those of its id.
function plainline.isGrantOf(batch, digits, message)
  local beginning = batch.received[#batch.received]
  return beginning and message and sub(message, 1, #beginning) == beginning
    and string.match(message, '^%[%d+,1,(%d+),') == digits
end

-- Reads rows by name, and behind them those of the resource's ancestors.
function plainline.read(fields, ancestors)
  local count = #fields
  for at = 1, #ancestors do
    fields[count + at] = 'n' .. ancestors[at]
  end
  return redis.call('HMGET', keys.rows, unpack(fields))
end

-- The rows of the ancestors, which stand in `found` behind the first few, with one more or less that waits under them:
-- false for one that goes. Nil where more stands there than is plain.
function plainline.countUnder(found, first, ancestors, change)
  local counted = {}
  for at = 1, #ancestors do
    local text = nodes.countUnder(found[first + at], change)
    if text == nil then
      return nil
    end
    counted[at] = text
  end
  return counted
end

-- Writes rows, `puts` in the order of HSET, and those of the ancestors; removes others.
function plainline.write(puts, drops, ancestors, counted)
  local lastPut, lastDrop = #puts, #drops
  for at = 1, #ancestors do
    local field, text = 'n' .. ancestors[at], counted[at]
    if text then
      puts[lastPut + 1], puts[lastPut + 2] = field, text
      lastPut = lastPut + 2
    else
      lastDrop = lastDrop + 1
      drops[lastDrop] = field
    end
  end
  server.writeMany('HSET', keys.rows, puts, lastPut, 2)
  server.writeMany('HDEL', keys.rows, drops, lastDrop, 1)
end

-- How many requests of a chain are held, or wait, by the index of that.
function plainline.countOfChain(key, chain)
  local name = 'c' .. chain .. '\0'
  return redis.call('ZLEXCOUNT', key, '(' .. name, '(' .. name .. ':')
end

-- A waiting request as it stands in the index of lines.
function plainline.placesOf(id, ancestors, session, padded, chain)
  local members = { 'ax' .. id .. '\0' .. padded, 'w' .. session .. '\0' .. padded }
  for at = 1, #ancestors do
    members[2 + at] = 'ux' .. ancestors[at] .. '\0' .. padded .. id
  end
  if chain then
    members[#members + 1] = 'c' .. chain .. '\0' .. padded
  end
  return members
end

return plainline
