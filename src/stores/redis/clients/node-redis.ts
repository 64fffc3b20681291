import { type Client, CONNECT_MS, type Listening, type ListeningEvents, type ListeningWishes } from './client.ts'
import { connectOnce } from './connecting.ts'
import { type AnyNodeRedis, GivenNodeRedis } from './node-redis-given.ts'

/** A client of node-redis 5 or 6 (the package `redis`): the parts of it that are used. */
export interface NodeRedisClient extends AnyNodeRedis {
  readonly isReady: boolean
  readonly options?: NodeRedisOptions | undefined
  sendCommand(args: string[], options?: object): Promise<unknown>
  duplicate(overrides?: object): unknown
}

interface NodeRedisOptions {
  readonly database?: number | undefined
  readonly socket?: object | undefined
}

/** What is used of a client that was made here. */
interface OwnNodeRedis extends NodeRedisClient {
  connect(): Promise<unknown>
  destroy(): void
  unref(): void
  subscribe(channel: string, listener: (text: string, channel: string) => void): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  sSubscribe(channel: string, listener: (text: string, channel: string) => void): Promise<unknown>
  sUnsubscribe(channel: string): Promise<unknown>
}

/** Replies as they are by default, whatever types the user has chosen. */
export const PLAIN_REPLIES = { typeMapping: {} } as const

/** A user's client for a single server. */
export class NodeRedis extends GivenNodeRedis<NodeRedisClient> implements Client {
  readonly name: string
  readonly isCluster = false

  constructor(client: NodeRedisClient) {
    super(client, 'error')
    this.name = nameOf(client)
  }

  isReady(): boolean {
    return this.client.isReady
  }

  send(_key: string, command: string, args: readonly string[]): Promise<unknown> {
    return sendPlain(this.client, command, args)
  }

  listen(_key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening> {
    return listenBeside(this.client, { ...events, signal, sharded: false })
  }
}

export function sendPlain(client: NodeRedisClient, command: string, args: readonly string[]): Promise<unknown> {
  return client.sendCommand([command, ...args], PLAIN_REPLIES)
}

/** A connection for subscriptions, made like the given client's. */
export async function listenBeside(client: NodeRedisClient, wishes: ListeningWishes): Promise<Listening> {
  const { sharded, signal } = wishes
  const own = client.duplicate({
    disableOfflineQueue: false,
    commandOptions: PLAIN_REPLIES,
    clientSideCache: undefined,
    emitInvalidate: false,
    readonly: false,
    socket: { ...client.options?.socket, reconnectStrategy: false, connectTimeout: CONNECT_MS },
  }) as OwnNodeRedis
  await connectOnce(own, () => end(own), signal)
  own.unref()
  const giveUp = (): void => {
    end(own)
    wishes.onLost()
  }
  own.on('error', giveUp)
  own.on('end', giveUp)
  own.on('sharded-channel-moved', giveUp)
  const listener = (text: string, channel: string): void => wishes.onText(channel, text)
  return {
    subscribe: async (channel) =>
      void (await (sharded ? own.sSubscribe(channel, listener) : own.subscribe(channel, listener))),
    unsubscribe: async (channel) => void (await (sharded ? own.sUnsubscribe(channel) : own.unsubscribe(channel))),
    ping: () => own.sendCommand(['PING']),
    close: async () => {
      own.off('end', giveUp)
      own.off('error', giveUp)
      end(own)
    },
  }
}

/** It throws where there is nothing left to end. */
function end(own: OwnNodeRedis): void {
  if (own.isOpen) own.destroy()
}

function nameOf({ options }: NodeRedisClient): string {
  const {
    host = 'localhost',
    port = 6379,
    path,
    tls,
  } = (options?.socket ?? {}) as {
    readonly host?: string
    readonly port?: number
    readonly path?: string
    readonly tls?: boolean
  }
  const scheme = tls === true ? 'rediss' : 'redis'
  return path === undefined ? `${scheme}://${host}:${port}/${options?.database ?? 0}` : `${scheme}:${path}`
}
