-- A batch that does no more than its step says, because its session is well and was told everything, nothing was
-- lost, and nothing is due. It is executed from what a read or two find, past the modules that gather rows and indexes
-- for longer batches.
local quiet = {}

local keys, sessions, turn = module.keys, module.sessions, module.turn
local format = string.format

local function isQuiet(batch, session, mostNews)
  local meta, now = turn.meta, turn.now
  return batch.number > session.batch and batch.answered <= session.batch
    and batch.acked <= session.acked + mostNews and session.posted == batch.acked
    and (batch.epoch == 0 or batch.epoch == meta.epoch)
    and batch.lastId <= meta.lastId and batch.floor <= meta.lastFence
    and turn.isAlive(session)
    and now + batch.deadMs >= session.dueAt
    and meta.unsettled == 0 and now < meta.nextDue and now < meta.nextLook
end

-- The session, heard of at this time, and how many messages the batch acknowledges for the first time, `mostNews` at
-- most; nil for the long way. The caller looks at these messages.
function quiet.enter(batch, metaText, sessionText, mostNews)
  if not metaText or not sessionText or turn.open(metaText) then
    return nil
  end
  turn.readClocks()
  local session = sessions.decode(batch.session, sessionText)
  if not isQuiet(batch, session, mostNews) then
    return nil
  end
  local news = batch.acked - session.acked
  session.seenAt, session.deadMs, session.batch, session.acked = turn.now, batch.deadMs, batch.number, batch.acked
  return session, news
end

-- The rows that every batch writes, in the order of HSET, and the answer. The message is the only one that the session
-- is to be told, or ''.
function quiet.leave(batch, session, outcome, message)
  local wakeAt = session.waiting > 0 and redis.call('ZRANGE', keys.wanted, '0', '0', 'WITHSCORES')[2] or 'null'
  local answer = '["' .. turn.meta.epoch .. format('",%d,', turn.now) .. turn.wallNowText
    .. ',false,false,' .. wakeAt .. ',[' .. message .. '],[' .. outcome .. ']]'
  return answer, 'm', turn.encode(), 's' .. batch.session, sessions.encode(session), 'a' .. batch.session, answer
end

return quiet
