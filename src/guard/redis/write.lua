-- Writes if the token that has entered is still the highest.
-- KEYS: fence, data. ARGV: token, how long the fence is kept in ms ('' for ever), then
--   'string', value
--   'hash', number of fields to set, field, value, …, fields to delete …
-- Returns the highest token ('0' where the fence is gone); if it is the caller's, the value was written.
-- A fence that is gone, or lower, has lost what it knew: somebody else may have entered meanwhile.
local highest = redis.call('GET', KEYS[1])
if highest ~= ARGV[1] then return highest or '0' end
if ARGV[3] == 'string' then
  redis.call('SET', KEYS[2], ARGV[4], 'KEEPTTL')
else
  -- The fields come one by one: what unpack puts on the stack has a limit, and a hash may have more fields.
  local at = 5
  for _ = 1, tonumber(ARGV[4]) do
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  for each = at, #ARGV do redis.call('HDEL', KEYS[2], ARGV[each]) end
end
if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return highest
