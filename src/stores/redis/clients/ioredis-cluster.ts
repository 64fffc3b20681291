import {
  type Client,
  isKeyless,
  type Listening,
  type ListeningEvents,
  sendToEvery,
  UnknownOwnerError,
} from './client.ts'
import { endIoredis, type IoredisClient, letProcessEnd, listenThrough, type OwnIoredis } from './ioredis.ts'
import { slotOf } from './slot.ts'

/** A `Cluster` of ioredis 5 or 6, or of iovalkey: the parts of it that are used. */
export interface IoredisCluster {
  readonly isCluster: boolean
  readonly status: string
  readonly options: { readonly keyPrefix?: string | undefined }
  /** For each slot the addresses of its nodes, the primary first. */
  readonly slots: readonly (readonly string[] | undefined)[]
  nodes(role?: 'master'): readonly IoredisClient[]
  connect(): Promise<unknown>
  call(command: string, ...args: string[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** What is used of a `Cluster` that was made here. */
export interface OwnIoredisCluster extends IoredisCluster {
  disconnect(): void
}

export class IoredisClusterClient implements Client {
  readonly isCluster = true
  readonly #client: IoredisCluster
  readonly #own: OwnIoredisCluster | undefined
  #lastError: unknown
  readonly #onError = (error: unknown): void => {
    this.#lastError = error
  }

  /** @param own the same client, if it was made here and is to be closed */
  constructor(client: IoredisCluster, own?: OwnIoredisCluster) {
    this.#client = client
    this.#own = own
    client.on('error', this.#onError)
    client.on('node error', this.#onError)
    own?.on('+node', (node) => letProcessEnd(node as OwnIoredis))
  }

  get name(): string {
    const [first] = this.#client.nodes()
    return `redis://${first?.options.host ?? 'localhost'}:${first?.options.port ?? 6379} (Cluster)`
  }

  async connect(): Promise<void> {
    await this.#own?.connect()
  }

  isReady(): boolean {
    if (this.#client.status === 'wait') this.#client.connect().catch(this.#onError)
    return this.#client.status === 'ready'
  }

  hasEnded(): boolean {
    return this.#client.status === 'end'
  }

  lastError(): unknown {
    return this.#lastError
  }

  async send(key: string, command: string, args: readonly string[]): Promise<unknown> {
    if (!isKeyless(command)) return this.#client.call(command, ...args)
    const owner = this.#owner(key)
    const others = command === 'FUNCTION' ? this.#client.nodes('master').filter((node) => node !== owner) : []
    return sendToEvery(
      owner.call(command, ...args),
      others.map((node) => node.call(command, ...args)),
    )
  }

  async listen(key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening> {
    return listenThrough(this.#owner(key), { ...events, signal, sharded: true })
  }

  renew(key: string): void {
    if (this.#own !== undefined) (this.#owner(key) as OwnIoredis).stream?.destroy()
  }

  async close(): Promise<void> {
    this.#client.off('error', this.#onError)
    this.#client.off('node error', this.#onError)
    if (this.#own === undefined) return
    const nodes = this.#own.nodes()
    this.#own.disconnect()
    await Promise.all(nodes.map((node) => endIoredis(node as OwnIoredis)))
  }

  #owner(key: string): IoredisClient {
    const address = this.#client.slots[slotOf(key)]?.[0]
    const owner = this.#client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address)
    if (owner === undefined) throw new UnknownOwnerError(key)
    return owner
  }
}
