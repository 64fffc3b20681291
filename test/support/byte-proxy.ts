import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Stands between clients and a server of any protocol, and can cut what is between them. */
export class ByteProxy {
  readonly #server: Server
  readonly #links = new Set<readonly [Socket, Socket]>()
  /** Connections through which nothing comes any more, though both sides believe in them. */
  readonly #silent = new Set<readonly [Socket, Socket]>()

  private constructor(server: Server, targetPort: number) {
    this.#server = server
    server.on('connection', (client) => this.#link(client, connect(targetPort, '127.0.0.1')))
  }

  static async start(targetPort: number): Promise<ByteProxy> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ByteProxy(server, targetPort)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get connections(): number {
    return this.#links.size
  }

  /** All connections of now go silent, as when a firewall has forgotten them; new ones work. */
  silence(): void {
    for (const link of this.#links) this.#silent.add(link)
  }

  /** Breaks all connections of now; new ones work. */
  reset(): void {
    for (const link of this.#links) for (const socket of link) socket.destroy()
  }

  async dispose(): Promise<void> {
    this.#server.close()
    this.reset()
    await once(this.#server, 'close')
  }

  #link(client: Socket, server: Socket): void {
    const link = [client, server] as const
    this.#links.add(link)
    const end = (): void => {
      this.#links.delete(link)
      this.#silent.delete(link)
      for (const socket of link) socket.destroy()
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk) => this.#silent.has(link) || to.write(chunk))
      from.on('error', end)
      from.on('close', end)
    }
  }
}
