-- Where a conflict can stand: 'at' a resource (every claim on exactly it), 'tree' (the tree claims among them), 'under'
-- it (claims strictly under it). This is where what waits there is counted and listed.
local places = {}

-- By place: the fields of a node that count what waits there, by mode, and how its members in the index begin.
local WAITING = {
  at = { x = 'waitingExclusive', s = 'waitingShared', prefix = 'a' },
  tree = { x = 'waitingExclusiveTree', s = 'waitingSharedTree', prefix = 't' },
  under = { x = 'underExclusive', s = 'underShared', prefix = 'u' },
}

-- The field of a node that counts those of a mode who wait at a place.
function places.counter(place, mode)
  return WAITING[place][mode]
end

-- How their members in the index of lines begin.
function places.nameOf(place, mode, id)
  return WAITING[place].prefix .. mode .. id .. '\0'
end

return places
