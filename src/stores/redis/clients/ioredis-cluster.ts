import {
  type Client,
  isKeyless,
  type Listening,
  type ListeningEvents,
  sendToNodes,
  UnknownOwnerError,
} from './client.ts'
import { type AnyIoredis, IoredisState } from './ioredis-state.ts'
import { endIoredis, type IoredisClient, letProcessEnd, listenThrough, type OwnIoredis } from './ioredis.ts'
import { slotOf } from './slot.ts'

/** A `Cluster` of ioredis 5 or 6, or of iovalkey: the parts of it that are used. */
export interface IoredisCluster extends AnyIoredis {
  readonly isCluster: boolean
  readonly options: { readonly keyPrefix?: string | undefined }
  /** For each slot the addresses of its nodes, the primary first. */
  readonly slots: readonly (readonly string[] | undefined)[]
  nodes(role?: 'master'): readonly IoredisClient[]
}

/** What is used of a `Cluster` that was made here. */
export interface OwnIoredisCluster extends IoredisCluster {
  disconnect(): void
}

export class IoredisClusterClient extends IoredisState<IoredisCluster, OwnIoredisCluster> implements Client {
  readonly isCluster = true

  /** @param own the same client, if it was made here and is to be closed */
  constructor(client: IoredisCluster, own?: OwnIoredisCluster) {
    super(client, own, 'error', 'node error')
    own?.on('+node', (node) => letProcessEnd(node as OwnIoredis))
  }

  get name(): string {
    const [first] = this.client.nodes()
    return `redis://${first?.options.host ?? 'localhost'}:${first?.options.port ?? 6379} (Cluster)`
  }

  async send(key: string, command: string, args: readonly string[]): Promise<unknown> {
    if (!isKeyless(command)) return this.client.call(command, ...args)
    const masters = (): readonly IoredisClient[] => this.client.nodes('master')
    return sendToNodes(command, this.#owner(key), masters, (node) => node.call(command, ...args))
  }

  async listen(key: string, events: ListeningEvents, signal: AbortSignal): Promise<Listening> {
    return listenThrough(this.#owner(key), { ...events, signal, sharded: true })
  }

  renew(key: string): void {
    if (this.own !== undefined) (this.#owner(key) as OwnIoredis).stream?.destroy()
  }

  async close(): Promise<void> {
    this.errors.close()
    if (this.own === undefined) return
    const nodes = this.own.nodes()
    this.own.disconnect()
    await Promise.all(nodes.map((node) => endIoredis(node as OwnIoredis)))
  }

  #owner(key: string): IoredisClient {
    const address = this.client.slots[slotOf(key)]?.[0]
    const owner = this.client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address)
    if (owner === undefined) throw new UnknownOwnerError(key)
    return owner
  }
}
