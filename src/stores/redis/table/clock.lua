-- The server's own clock, in whole milliseconds: what leases are measured with, and the wall clock.
return function()
  local time = redis.call('TIME')
  local ms = time[1] * 1000 + math.floor(time[2] / 1000)
  return ms, ms
end
