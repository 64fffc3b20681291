-- Where a namespace keeps what. All keys share the hash tag of the namespace, and none has a time to live: what has
-- ended is removed by the table itself.
--
-- rows      hash: every row that is looked up by name, under a field of its own
--             m                     the namespace (turn.lua)
--             s<session>            a session (sessions.lua)
--             a<session>            the answer to its last batch
--             o<session>\0<number>  a message that it has not acknowledged
--             r<id>                 a request, waiting or held (requests.lua)
--             n<resource>           what stands at a resource (nodes.lua)
--             t<type>               how many tree claims stand in a type
--             p<resource>           who held it last (previous.lua)
-- held      sorted set, in order of text: an index of what is held
--             <x|s><resource>\0<id>  a claim: its mode, its resource, its request
--             t<resource>\0<id>      a shared tree claim, once more
--             c<chain>\0<id>         a lease of a chain
-- lines     likewise, of what waits
--             a<x|s><resource>\0<id>            a claim on exactly this resource
--             t<x|s><resource>\0<id>            a tree claim on it
--             u<x|s><ancestor>\0<id><resource>  a claim under the ancestor: there the order of arrival counts
--             b<blocker>\0<id>                  a request that is looked at again when the blocker ends, if that has
--                                               several (followers.lua)
--             c<chain>\0<id>                    a request of a chain
--             w<session>\0<id>                  a request of a session
-- due       sorted set: requests by the time at which they end by themselves
-- wanted    likewise, but only leases that somebody waits for
-- sessions  sorted set: sessions by the time at which the sweep looks at them next
-- unsettled sorted set: ended requests whose waiters have not all been looked at, in the order in which they ended
-- previous  sorted set: resources whose last holder is remembered, in the order in which their leases ended
-- log       stream: one entry per batch that logged, <number of its last event>-<how many events>
--
-- Ids are padded with zeros to 16 digits in indexes, so that the order of texts is the order of arrival.
local keys = {}

local NAMES = { 'held', 'lines', 'due', 'wanted', 'sessions', 'unsettled', 'previous', 'log', 'growth' }

-- Those behind which something is kept beside the rows.
keys.INDEXES = { 'held', 'lines', 'due', 'wanted', 'sessions', 'unsettled', 'previous', 'log' }

-- Says which namespace is meant.
function keys.use(rows)
  if keys.rows == rows then
    return
  end
  keys.rows = rows
  keys.base = string.gsub(rows, 'rows$', '')
  for _, name in ipairs(NAMES) do
    keys[name] = keys.base .. name
  end
end

-- A session's id is a secret, and the names of channels can be listed: the channel's name does not tell it.
function keys.channelOf(session)
  return keys.base .. 's:' .. redis.sha1hex(session)
end

return keys
