import {
  type Client,
  isKeyless,
  type Listening,
  type ListeningEvents,
  sendToEvery,
  UnknownOwnerError,
} from './client.ts'
import { listenBeside, type NodeRedisClient, sendPlain } from './node-redis.ts'
import { slotOf } from './slot.ts'

/** A Cluster client of node-redis 5 or 6 (the package `redis`): the parts of it that are used. */
export interface NodeRedisCluster {
  readonly isOpen: boolean
  readonly slots: readonly ({ readonly master: object } | undefined)[]
  readonly masters: readonly { readonly address: string }[]
  nodeClient(node: never): unknown
  sendCommand(firstKey: string, isReadonly: boolean, args: string[], options?: object): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** A user's client for a Cluster. */
export class NodeRedisClusterClient implements Client {
  readonly isCluster = true
  readonly #client: NodeRedisCluster
  #lastError: unknown
  readonly #onError = (error: unknown): void => {
    this.#lastError = error
  }

  constructor(client: NodeRedisCluster) {
    this.#client = client
    client.on('error', this.#onError)
    client.on('node-error', this.#onError)
  }

  get name(): string {
    return `redis://${this.#client.masters[0]?.address ?? 'localhost'} (Cluster)`
  }

  async connect(): Promise<void> {
    // Its user connects it.
  }

  isReady(): boolean {
    return this.#client.isOpen && this.#client.masters.length > 0
  }

  hasEnded(): boolean {
    return !this.#client.isOpen
  }

  lastError(): unknown {
    return this.#lastError
  }

  async send(key: string, command: string, args: readonly string[]): Promise<unknown> {
    if (!isKeyless(command)) return this.#client.sendCommand(key, false, [command, ...args], { typeMapping: {} })
    const owner = await this.#owner(key)
    if (command !== 'FUNCTION') return sendPlain(owner, command, args)
    const nodes = await Promise.all(this.#client.masters.map((node) => this.#client.nodeClient(node as never)))
    const others = nodes.filter((node) => node !== owner) as NodeRedisClient[]
    return sendToEvery(
      sendPlain(owner, command, args),
      others.map((node) => sendPlain(node, command, args)),
    )
  }

  async listen(key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening> {
    return listenBeside(await this.#owner(key), { ...events, signal, sharded: true })
  }

  renew(): void {
    // Its user decides about its connections.
  }

  async close(): Promise<void> {
    this.#client.off('error', this.#onError)
    this.#client.off('node-error', this.#onError)
  }

  async #owner(key: string): Promise<NodeRedisClient> {
    const shard = this.#client.slots[slotOf(key)]
    if (shard === undefined) throw new UnknownOwnerError(key)
    return (await this.#client.nodeClient(shard.master as never)) as NodeRedisClient
  }
}
