-- A request as the text that is stored of it.
local texts = {}

local indexes, resource, turn = module.indexes, module.resource, module.turn
local pack, unpackText = cmsgpack.pack, cmsgpack.unpack

local HELD, CONFIRMED, WANTED, TOUCHED = 1, 2, 4, 8

-- A row with all its fields, so that the table need not grow.
function texts.decode(id, text)
  local claims, session, birth, agent, ttlMs, hash, dueAt, flags, since, number, wallLockedAt, chain, maxHoldMs, reason,
    metadata, owners = unpackText(text)
  local isHeld = bit.band(flags, HELD) ~= 0
  local isWanted = bit.band(flags, WANTED) ~= 0
  return {
    id = id,
    padded = indexes.padded(id),
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
    blocker = not isHeld and number,
    isHeld = isHeld,
    isConfirmed = bit.band(flags, CONFIRMED) ~= 0,
    isWanted = isWanted,
    isTouched = bit.band(flags, TOUCHED) ~= 0,
    fence = isHeld and number,
    grantedAt = isHeld and since,
    wallLockedAt = wallLockedAt,
    owners = owners or false,
    subject = false,
    isNew = false,
    isChanged = false,
    indexedDue = dueAt,
    indexedWanted = isWanted and dueAt,
    indexedBlocker = not isHeld and number,
    isIndexedHeld = isHeld,
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

-- What a waiting request needs and what a held one needs share their places; what is mostly absent comes last, and is
-- left out where all of it is.
function texts.encode(row)
  local flags = (row.isHeld and HELD or 0)
    + (row.isConfirmed and CONFIRMED or 0)
    + (row.isWanted and WANTED or 0)
    + (row.isTouched and TOUCHED or 0)
  local since, number = row.queuedAt, row.blocker
  if row.isHeld then
    since, number = row.grantedAt, row.fence
  end
  if not (row.chain or row.maxHoldMs or row.reason or row.metadata or row.owners) then
    return pack(
      textsOf(row.claims), row.session, row.birth, row.agent, row.ttlMs, row.hash, row.dueAt, flags, since, number,
      row.wallLockedAt
    )
  end
  return pack(
    textsOf(row.claims), row.session, row.birth, row.agent, row.ttlMs, row.hash, row.dueAt, flags, since, number,
    row.wallLockedAt, row.chain, row.maxHoldMs, row.reason, row.metadata, row.owners
  )
end

-- What alone.lua works with: a lease of one owner, confirmed, to which nothing refers, of one resource exclusively,
-- with neither reason nor metadata nor a longest hold.
local ALONE = HELD + CONFIRMED

function texts.encodeAlone(claim, session, agent, ttlMs, hash, dueAt, fence, chain)
  if chain then
    return pack(
      claim, session.id, session.birth, agent, ttlMs, hash, dueAt, ALONE, turn.now, fence, turn.wallNow, chain
    )
  end
  return pack(claim, session.id, session.birth, agent, ttlMs, hash, dueAt, ALONE, turn.now, fence, turn.wallNow)
end

-- Nothing for any other lease.
function texts.decodeAlone(text)
  local claim, _, _, agent, _, hash, dueAt, flags, since, fence, _, chain, maxHoldMs, reason, metadata, owners =
    unpackText(text)
  if flags ~= ALONE or maxHoldMs or reason or metadata or owners then
    return nil
  end
  if type(claim) ~= 'string' or string.sub(claim, 1, 2) ~= 'xn' then
    return nil
  end
  return claim, agent, hash, dueAt, since, fence, chain
end

return texts
