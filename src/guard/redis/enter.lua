-- Enters with a fencing token and reads the value, in one step.
-- KEYS: fence, data. ARGV: token, how long the fence is kept in ms ('' for ever), 'string' or 'hash'.
-- Returns the highest token, and the value if the token is no lower than that.
-- Tokens are below 2^53, so Lua's numbers compare them exactly; they are stored as they came, for Lua would round them
-- when it writes them.
local highest = redis.call('GET', KEYS[1])
if highest and tonumber(highest) > tonumber(ARGV[1]) then return { highest } end
local value = redis.call(ARGV[3] == 'hash' and 'HGETALL' or 'GET', KEYS[2])
if ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return { ARGV[1], value }
