-- A request as the text that is stored of it.
local texts = {}

local indexes, resource, turn = module.indexes, module.resource, module.turn
local pack, unpackText = cmsgpack.pack, cmsgpack.unpack

local HELD, CONFIRMED, WANTED, TOUCHED, LISTED = 1, 2, 4, 8, 16
local band, byte, find, sub = bit.band, string.byte, string.find, string.sub

-- A row with all its fields, so that the table need not grow. `digits` are those of its id.
function texts.decode(id, digits, text)
  local flags, claims, hash, number, session, birth, agent, ttlMs, dueAt, since, wallLockedAt, follower, chain,
    maxHoldMs, reason, metadata, owners = unpackText(text)
  local isHeld, isWanted = band(flags, HELD) ~= 0, band(flags, WANTED) ~= 0
  local blocker = not isHeld and number
  return {
    id = id,
    padded = indexes.filled(digits),
    session = session,
    birth = birth,
    agent = agent,
    chain = chain or false,
    claims = resource.claims(claims),
    ttlMs = ttlMs,
    maxHoldMs = maxHoldMs or false,
    reason = reason or false,
    metadata = metadata or false,
    hash = hash,
    queuedAt = not isHeld and since,
    dueAt = dueAt,
    blocker = blocker,
    follower = follower,
    isHeld = isHeld,
    isConfirmed = band(flags, CONFIRMED) ~= 0,
    isWanted = isWanted,
    isTouched = band(flags, TOUCHED) ~= 0,
    isListed = band(flags, LISTED) ~= 0,
    fence = isHeld and number,
    grantedAt = isHeld and since,
    wallLockedAt = wallLockedAt,
    owners = owners or false,
    indexedDue = dueAt,
    indexedWanted = isWanted and dueAt,
    indexedBlocker = blocker,
    isIndexedHeld = isHeld,
    isChanged = false,
    subject = false,
  }
end

local function textsOf(list)
  if #list == 1 then
    return list[1].text
  end
  local found = {}
  for index = 1, #list do
    found[index] = list[index].text
  end
  return found
end

-- The flags come first, in one byte. What a waiting request needs and what a held one needs share their places; what is
-- mostly absent comes last, and is left out where all of it is.
function texts.encode(row)
  local flags = (row.isHeld and HELD or 0)
    + (row.isConfirmed and CONFIRMED or 0)
    + (row.isWanted and WANTED or 0)
    + (row.isTouched and TOUCHED or 0)
    + (row.isListed and LISTED or 0)
  local since, number = row.queuedAt, row.blocker
  if row.isHeld then
    since, number = row.grantedAt, row.fence
  end
  if not (row.chain or row.maxHoldMs or row.reason or row.metadata or row.owners) then
    return pack(
      flags, textsOf(row.claims), row.hash, number, row.session, row.birth, row.agent, row.ttlMs, row.dueAt, since,
      row.wallLockedAt, row.follower
    )
  end
  return pack(
    flags, textsOf(row.claims), row.hash, number, row.session, row.birth, row.agent, row.ttlMs, row.dueAt, since,
    row.wallLockedAt, row.follower, row.chain, row.maxHoldMs, row.reason, row.metadata, row.owners
  )
end

texts.HELD, texts.CONFIRMED, texts.WANTED, texts.TOUCHED, texts.LISTED = HELD, CONFIRMED, WANTED, TOUCHED, LISTED

local function isPlain(claim)
  return type(claim) == 'string' and sub(claim, 1, 2) == 'xn'
end

-- A plain request (plainline.lua) as its text tells it: `since` and `number` are of a waiting one when it came and what
-- holds it back, of a held one when it was granted and its fencing token. Nil for any other.
function texts.decodePlain(text)
  local flags, claim, hash, number, session, birth, agent, ttlMs, dueAt, since, wallLockedAt, follower, chain,
    maxHoldMs, reason, metadata, owners = unpackText(text)
  if maxHoldMs or reason or metadata or owners or not isPlain(claim) then
    return nil
  end
  return {
    claim = claim,
    session = session,
    birth = birth,
    agent = agent,
    ttlMs = ttlMs,
    hash = hash,
    dueAt = dueAt,
    flags = flags,
    since = since,
    number = number,
    wallLockedAt = wallLockedAt,
    follower = follower,
    chain = chain or false,
  }
end

function texts.encodePlain(row)
  if row.chain then
    return pack(
      row.flags, row.claim, row.hash, row.number, row.session, row.birth, row.agent, row.ttlMs, row.dueAt, row.since,
      row.wallLockedAt, row.follower, row.chain
    )
  end
  return pack(
    row.flags, row.claim, row.hash, row.number, row.session, row.birth, row.agent, row.ttlMs, row.dueAt, row.since,
    row.wallLockedAt, row.follower
  )
end

-- What alone.lua works with: a lease of one owner, confirmed, to which nothing refers, of one resource exclusively,
-- with neither reason nor metadata nor a longest hold.
local ALONE = HELD + CONFIRMED
local PACKED_ALONE = pack(ALONE)

-- What the leases that a session is granted in one batch mostly have in common: from which session, birth, agent, term,
-- times and chain it was made, and its text.
local lastSession, lastBirth, lastAgent, lastTtlMs, lastNow, lastWall, lastChain, common

local function commonOf(session, agent, ttlMs, chain)
  local id, birth, now, wallNow = session.id, session.birth, turn.now, turn.wallNow
  if id ~= lastSession or birth ~= lastBirth or agent ~= lastAgent or ttlMs ~= lastTtlMs or now ~= lastNow
    or wallNow ~= lastWall or chain ~= lastChain then
    lastSession, lastBirth, lastAgent, lastTtlMs, lastNow, lastWall, lastChain =
      id, birth, agent, ttlMs, now, wallNow, chain
    common = chain and pack(id, birth, agent, ttlMs, now + ttlMs, now, wallNow, false, chain)
      or pack(id, birth, agent, ttlMs, now + ttlMs, now, wallNow, false)
  end
  return common
end

-- Of one among many.
function texts.encodeAmong(claim, hash, fence, session, agent, ttlMs, chain)
  return PACKED_ALONE .. pack(claim, hash, fence) .. commonOf(session, agent, ttlMs, chain)
end

function texts.encodeAlone(claim, hash, fence, session, agent, ttlMs, chain)
  local now = turn.now
  if chain then
    return texts.encodeAmong(claim, hash, fence, session, agent, ttlMs, chain)
  end
  return pack(
    ALONE, claim, hash, fence, session.id, session.birth, agent, ttlMs, now + ttlMs, now, turn.wallNow, false
  )
end

-- Whether a row may be such a lease: nearly certain, without reading it.
function texts.seemsAlone(text)
  return byte(text) == ALONE and (find(text, 'xn', 2, true) or 6) < 6
end

-- Nothing for any other lease.
function texts.decodeAlone(text)
  local flags, claim, hash, fence, _, _, agent, _, dueAt, since, _, _, chain, maxHoldMs, reason, metadata, owners =
    unpackText(text)
  if flags ~= ALONE or maxHoldMs or reason or metadata or owners or not isPlain(claim) then
    return nil
  end
  return claim, agent, hash, dueAt, since, fence, chain
end

return texts
