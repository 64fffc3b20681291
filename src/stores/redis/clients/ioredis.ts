import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type Client, CONNECT_MS, type Listening, type ListeningEvents, type ListeningWishes } from './client.ts'
import { connectOnce } from './connecting.ts'
import { type AnyIoredis, IoredisState } from './ioredis-state.ts'

/** A `Redis` of ioredis 5 or 6, or of iovalkey, also with Sentinels: the parts of it that are used. */
export interface IoredisClient extends AnyIoredis {
  readonly options: {
    readonly host?: string | undefined
    readonly port?: number | undefined
    readonly path?: string | undefined
    readonly db?: number | undefined
    readonly tls?: object | undefined
    readonly name?: string | null | undefined
    readonly sentinels?: readonly object[] | null | undefined
    readonly keyPrefix?: string | undefined
  }
  duplicate(override?: object): unknown
}

/** What is used of a `Redis` that was made here. */
export interface OwnIoredis extends IoredisClient {
  readonly stream?: Socket
  disconnect(): void
}

/** A single server, or the primary that Sentinels name. */
export class Ioredis extends IoredisState<IoredisClient, OwnIoredis> implements Client {
  readonly name: string
  readonly isCluster = false

  /** @param own the same client, if it was made here and is to be closed */
  constructor(client: IoredisClient, own?: OwnIoredis) {
    super(client, own, 'error')
    this.name = nameOf(client)
    if (own !== undefined) letProcessEnd(own)
  }

  send(_key: string, command: string, args: readonly string[]): Promise<unknown> {
    return this.client.call(command, ...args)
  }

  listen(_key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening> {
    return listenThrough(this.client, { ...events, signal, sharded: false })
  }

  renew(): void {
    this.own?.stream?.destroy()
  }

  async close(): Promise<void> {
    this.errors.close()
    if (this.own !== undefined) await endIoredis(this.own)
  }
}

/** A connection for subscriptions, made like the given client's. */
export async function listenThrough(client: IoredisClient, wishes: ListeningWishes): Promise<Listening> {
  const { sharded, signal } = wishes
  const own = client.duplicate({
    lazyConnect: true,
    retryStrategy: null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: true,
    // A Sentinel's answer is checked with INFO; elsewhere that would only need a permission more.
    enableReadyCheck: hasSentinels(client),
    readOnly: false,
    connectTimeout: CONNECT_MS,
    commandTimeout: CONNECT_MS,
  }) as OwnIoredis
  letProcessEnd(own)
  await connectOnce(own, () => void endIoredis(own), signal)
  const giveUp = (): void => {
    void endIoredis(own)
    wishes.onLost()
  }
  own.on('end', giveUp)
  own.on('moved', giveUp)
  // A slot that moves away ends its channels unasked, which ioredis 5 takes for the answer to nothing.
  own.on('error', giveUp)
  own.on(sharded ? 'smessage' : 'message', (channel, text) => wishes.onText(String(channel), String(text)))
  const [subscribe, unsubscribe] = sharded ? ['ssubscribe', 'sunsubscribe'] : ['subscribe', 'unsubscribe']
  return {
    subscribe: async (channel) => void (await own.call(subscribe, channel)),
    unsubscribe: async (channel) => void (await own.call(unsubscribe, channel)),
    ping: () => own.call('ping'),
    close: () => {
      own.off('end', giveUp)
      return endIoredis(own)
    },
  }
}

function hasSentinels({ options }: IoredisClient): boolean {
  return Array.isArray(options.sentinels) && options.sentinels.length > 0
}

/** `disconnect` alone leaves the socket, and a timer, until the server has said goodbye. */
export async function endIoredis(own: OwnIoredis): Promise<void> {
  const { stream } = own
  own.disconnect()
  if (stream === undefined || stream === null || stream.closed) return
  const closed = once(stream, 'close')
  stream.destroy()
  await closed
}

/** An open connection alone is no reason for the process to go on: whoever waits for an answer has a timer. */
export function letProcessEnd(own: OwnIoredis): void {
  own.on('connect', () => own.stream?.unref())
}

function nameOf(client: IoredisClient): string {
  const { host = 'localhost', port = 6379, path, db = 0, tls, name } = client.options
  const scheme = tls === undefined || tls === null ? 'redis' : 'rediss'
  if (typeof path === 'string') return `${scheme}:${path}`
  return hasSentinels(client) ? `${scheme}://${String(name)}/${db}` : `${scheme}://${host}:${port}/${db}`
}
