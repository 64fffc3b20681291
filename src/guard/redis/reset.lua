-- Returns the highest token ('0' for none), and sets it where a new one is given.
-- KEYS: fence. ARGV: nothing; or the new token ('0' for none), how long it is kept in ms ('' for ever).
local highest = redis.call('GET', KEYS[1]) or '0'
if ARGV[1] == '0' then
  redis.call('DEL', KEYS[1])
elseif ARGV[1] and ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[1])
elseif ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return highest
