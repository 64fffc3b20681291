import { createHash } from 'node:crypto'
import { InvalidRequestError } from '../../../core/errors.ts'
import type { Claim, Scope } from '../../../core/model.ts'
import { claimText } from '../../../core/resource/resource.ts'
import type { Step } from '../../../core/store.ts'
import { shardOfId } from './ids.ts'

type Place = Pick<Claim, 'resourceId' | 'scope'>

/** Which shard has what. */
export interface Routing {
  readonly shards: number
  /** `undefined` for a tree that spans shards. */
  shardOf(place: Place): number | undefined
  /** Where a session beats its heart that is not known anywhere yet. */
  homeOf(session: string): number
}

/** A resource and everything under its first segment stay together, so that trees and leaves meet in one shard. */
export function hashRouting(shards: number): Routing {
  return {
    shards,
    shardOf: ({ resourceId, scope }) => {
      const [stem, isRoot] = stemOf(resourceId)
      if (isRoot && scope === 'tree') return undefined
      return hash(stem) % shards
    },
    homeOf: (session) => hash(session) % shards,
  }
}

function hash(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE()
}

/** The type and the first segment of the path: `file:src` of `file:src/a.ts`. */
function stemOf(resourceId: string): readonly [stem: string, isRoot: boolean] {
  const path = resourceId.slice(resourceId.indexOf(':') + 1)
  const slash = path.indexOf('/')
  const stem = slash < 0 ? resourceId : resourceId.slice(0, resourceId.length - path.length + slash)
  return [stem, path === '']
}

/** Where one step goes: to one shard, to every shard, or to those that know the session. */
export type Destination = number | 'every' | 'known'

/** @throws InvalidRequestError for a step that spans shards */
export function destinationOf(routing: Routing, step: Step): Destination {
  switch (step.type) {
    case 'acquire':
      return shardOfClaims(routing, step.claims)
    case 'force':
    case 'inspect':
      return shardOfPlace(routing, step)
    case 'list':
    case 'readEvents':
      return 'every'
    case 'goodbye':
      return 'known'
    case 'extend':
    case 'release':
    case 'cancel':
    case 'handBack':
      return shardOfId(step.id)
  }
}

function shardOfClaims(routing: Routing, claims: readonly Claim[]): number {
  const [first, ...others] = claims.map((claim) => ({ claim, shard: shardOfPlace(routing, claim) }))
  if (first === undefined) throw new InvalidRequestError('No resource was named.')
  const stranger = others.find(({ shard }) => shard !== first.shard)
  if (stranger === undefined) return first.shard
  throw new InvalidRequestError(
    `${claimText(first.claim)} and ${claimText(stranger.claim)} are in different shards of this store, and one request cannot span shards: ask for them one after the other, give them the same type and first segment, or use a store without the option shards.`,
  )
}

function shardOfPlace(routing: Routing, place: Place & { readonly scope: Scope }): number {
  const shard = routing.shardOf(place)
  if (shard !== undefined) return shard
  throw new InvalidRequestError(
    `${claimText(place)} is a whole type, which is spread over the shards of this store: name at least one segment, or use a store without the option shards.`,
  )
}
