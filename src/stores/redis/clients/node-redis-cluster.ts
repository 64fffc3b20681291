import {
  type Client,
  isKeyless,
  type Listening,
  type ListeningEvents,
  sendToNodes,
  UnknownOwnerError,
} from './client.ts'
import { type AnyNodeRedis, GivenNodeRedis } from './node-redis-given.ts'
import { listenBeside, type NodeRedisClient, PLAIN_REPLIES, sendPlain } from './node-redis.ts'
import { slotOf } from './slot.ts'

/** A Cluster client of node-redis 5 or 6 (the package `redis`): the parts of it that are used. */
export interface NodeRedisCluster extends AnyNodeRedis {
  readonly slots: readonly ({ readonly master: object } | undefined)[]
  readonly masters: readonly { readonly address: string }[]
  nodeClient(node: never): unknown
  sendCommand(firstKey: string, isReadonly: boolean, args: string[], options?: object): Promise<unknown>
}

/** A user's client for a Cluster. */
export class NodeRedisClusterClient extends GivenNodeRedis<NodeRedisCluster> implements Client {
  readonly isCluster = true

  constructor(client: NodeRedisCluster) {
    super(client, 'error', 'node-error')
  }

  get name(): string {
    return `redis://${this.client.masters[0]?.address ?? 'localhost'} (Cluster)`
  }

  isReady(): boolean {
    return this.client.isOpen && this.client.masters.length > 0
  }

  async send(key: string, command: string, args: readonly string[]): Promise<unknown> {
    if (!isKeyless(command)) return this.client.sendCommand(key, false, [command, ...args], PLAIN_REPLIES)
    const masters = (): Promise<readonly NodeRedisClient[]> =>
      Promise.all(this.client.masters.map((master) => this.#nodeOf(master)))
    return sendToNodes(command, await this.#owner(key), masters, (node) => sendPlain(node, command, args))
  }

  async listen(key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening> {
    return listenBeside(await this.#owner(key), { ...events, signal, sharded: true })
  }

  async #owner(key: string): Promise<NodeRedisClient> {
    const shard = this.client.slots[slotOf(key)]
    if (shard === undefined) throw new UnknownOwnerError(key)
    return this.#nodeOf(shard.master)
  }

  async #nodeOf(master: object): Promise<NodeRedisClient> {
    return (await this.client.nodeClient(master as never)) as NodeRedisClient
  }
}
