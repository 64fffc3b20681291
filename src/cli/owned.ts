import { text } from 'node:stream/consumers'
import { claimText } from '../core/resource/resource.ts'
import { withoutCredentials } from '../core/store-url.ts'
import { Connection } from './connection.ts'
import { EXIT } from './exit-codes.ts'
import { Failure } from './failure.ts'
import { type Handle, looksLikeHandle, parseHandle } from './handle.ts'
import { type KeptHandle, keptHandles } from './kept-handles.ts'
import { claimsOf } from './resources.ts'
import type { Setting, Settings } from './settings.ts'

/** A lock of one's own, and a connection to its store. */
export interface Owned {
  readonly connection: Connection
  readonly handle: Handle
  /** The handle as it was printed. */
  readonly written: string
}

/**
 * Runs `work` with the lock that an argument names: a handle, `-` for a handle on stdin, or a resource that one has
 * acquired oneself.
 *
 * @throws Failure if nothing of one's own is locked there
 */
export async function withOwned<T>(settings: Settings, target: string, work: (owned: Owned) => Promise<T>): Promise<T> {
  const written = target === '-' ? (await text(process.stdin)).trim() : target
  const handle = target === '-' || looksLikeHandle(written) ? parseHandle(written) : undefined
  const connection = await Connection.open(handle === undefined ? settings : settingsOf(handle, settings))
  try {
    if (handle !== undefined) return await work({ connection, handle, written })
    const kept = findKept(connection, settings, written)
    return await work({ connection, handle: parseHandle(kept.handle), written: kept.handle })
  } finally {
    await connection.leave()
  }
}

/** Handles that are kept for the store of a connection. */
export function keptHere(connection: Connection, settings: Settings): KeptHandle[] {
  const store = withoutCredentials(connection.url)
  return keptHandles().filter((kept) => kept.store === store && kept.namespace === settings.namespace.value)
}

/**
 * Fencing tokens of what this account has acquired without a name, for whoever asks without one: the default name has
 * the number of a shell in it, and an agent may use a new shell for each command.
 */
export function anonymousTokens(connection: Connection, settings: Settings): ReadonlySet<number> {
  if (settings.agent.source !== 'default') return new Set()
  const kept = keptHere(connection, settings).filter(({ isAnonymous }) => isAnonymous)
  return new Set(kept.map(({ fencingToken }) => fencingToken))
}

/** The store that a handle is from; with credentials only where the settings have them. */
function settingsOf(handle: Handle, { store }: Settings): Pick<Settings, 'store' | 'namespace'> {
  const from = (value: string): Setting => ({ value, source: 'handle' })
  const isSame = withoutCredentials(store.value) === handle.store
  return { store: isSame ? store : from(handle.store), namespace: from(handle.namespace) }
}

function findKept(connection: Connection, settings: Settings, resource: string): KeptHandle {
  const [asked] = claimsOf([resource], 'exclusive', settings.store)
  const name = asked === undefined ? resource : claimText(asked)
  const onIt = keptHere(connection, settings).filter(({ claims }) => claims.some((claim) => claimText(claim) === name))
  const own = onIt.find(({ agentId }) => agentId === settings.agent.value)
  if (own !== undefined) return own
  const [other] = onIt
  const me = settings.agent.value
  if (other === undefined) {
    throw new Failure(
      `Nothing that ${me} has acquired is locked as ${name} (see holdfast show). The locks of others end with holdfast unlock.`,
      EXIT.other,
    )
  }
  throw new Failure(
    `${name} was acquired as ${other.agentId}, and you are ${me}. If that is you, say so with --agent '${other.agentId}' ` +
      'or HOLDFAST_AGENT, or give the handle.',
    EXIT.other,
  )
}
