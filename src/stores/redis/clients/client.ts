/**
 * What the link needs of a Redis client, one implementation for each family of libraries. The libraries' own waiting
 * lines, repetitions and resubscriptions are left out of it: the link does that once, the same for all.
 */
export interface Client {
  /** `redis://host:6379/0`, without credentials. */
  readonly name: string
  readonly isCluster: boolean
  /** Tries once to connect, where the client was made here. */
  connect(): Promise<unknown>
  /** Whether a command would be sent at once. */
  isReady(): boolean
  /** Whether its user has closed it, so that it will not be ready again. */
  hasEnded(): boolean
  /** What went wrong with its connection last. */
  lastError(): unknown
  /** Sends a command to the node that has the key; rejects with whatever the library makes of a failure. */
  send(key: string, command: string, args: readonly string[]): Promise<unknown>
  /** A connection of its own for subscriptions, to the node that has the key. @param signal ends the attempt */
  listen(key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening>
  /** The connection is silent: gives it up for a new one, if it is ours to give up. */
  renew(key: string): void
  /** Closes what was made here; a client that a user brought stays open. */
  close(): Promise<void>
}

/** A connection on which channels are subscribed. It does not come back when it is lost. */
export interface Listening {
  subscribe(channel: string): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Resolves when the server answers. */
  ping(): Promise<unknown>
  close(): Promise<void>
}

export interface ListeningEvents {
  onText(channel: string, text: string): void
  /** The connection is gone, or the channels have moved to another node. */
  onLost(): void
}

/** How a connection for subscriptions is to be made. */
export interface ListeningWishes extends ListeningEvents {
  /** Whether its channels belong to slots. */
  readonly sharded: boolean
  /** Ends the attempt to connect. */
  readonly signal: AbortSignal
}

/** How long a connection may take to be made, in milliseconds. */
export const CONNECT_MS = 3_000

/** Commands without a key, which a Cluster client would send to any of its nodes. */
const KEYLESS: ReadonlySet<string> = new Set(['CLUSTER', 'FUNCTION', 'INFO', 'TIME', 'WAIT'])

/** Whether a command must be sent to a node by hand, because nothing in it says which. */
export function isKeyless(command: string): boolean {
  return KEYLESS.has(command.toUpperCase())
}

/**
 * Sends a command without a key to the node that has the key. A function goes to all, whatever comes of that on the
 * others: it is needed on whichever node has the slot next.
 */
export async function sendToNodes<Node>(
  command: string,
  owner: Node,
  all: () => readonly Node[] | Promise<readonly Node[]>,
  send: (node: Node) => Promise<unknown>,
): Promise<unknown> {
  if (command !== 'FUNCTION') return send(owner)
  const others = (await all()).filter((node) => node !== owner)
  const sent = send(owner)
  await Promise.allSettled([sent, ...others.map(send)])
  return sent
}

/** A Cluster client does not know, or not yet, which node has a key. */
export class UnknownOwnerError extends Error {
  constructor(key: string) {
    super(`no node of the Cluster is known to have the slot of ${key}`)
  }
}
