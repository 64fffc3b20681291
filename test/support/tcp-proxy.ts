import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'

/** From a client to its server, or back. */
export type Direction = 'requests' | 'replies'

/** What goes through as a whole, or not at all. */
export interface Piece {
  readonly raw: Buffer
  /** What it says, where the proxy understands it. */
  readonly value?: unknown
}

const started = new Set<AsyncDisposable>()

/** Ends what the test file has started. */
afterAll(async () => {
  await Promise.all([...started].map((each) => each[Symbol.asyncDispose]()))
})

/** Stands between the clients and one server of any protocol, and does what networks do. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #links = new Set<Link>()
  readonly #swallowed = new Set<Direction>()
  #targetPort: number
  #refuses = false
  /** How long everything takes on its way, in either direction. */
  delayMs = 0
  /** How much comes through in a second, in either direction, on each connection. */
  bytesPerSecond: number = Infinity

  protected constructor(server: Server, targetPort: number) {
    this.#server = server
    this.#targetPort = targetPort
    server.on('connection', (client) => this.#link(client))
    started.add(this)
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    return new TcpProxy(await listening(), targetPort)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get connections(): number {
    return this.#links.size
  }

  /** New connections lead to another server. */
  retarget(port: number): void {
    this.#targetPort = port
  }

  /** Breaks every connection there is; new ones are let through. */
  reset(): void {
    for (const link of this.#links) link.break()
  }

  /** Breaks every connection, and refuses new ones until {@link heal}. */
  cut(): void {
    this.#refuses = true
    this.reset()
  }

  /** All connections of now go silent, as when a firewall has forgotten them; new ones work. */
  silence(): void {
    for (const link of this.#links) link.isSilent = true
  }

  /** What is sent that way disappears, and nobody is told: connections stay open and are silent, new ones too. */
  swallow(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#swallowed.add(direction)
  }

  /**
   * Everything comes through again. Connections that lost something are broken: what comes next would be out of step.
   */
  heal(): void {
    this.#refuses = false
    this.#swallowed.clear()
    this.delayMs = 0
    this.bytesPerSecond = Infinity
    for (const link of this.#links) if (link.hasLost) link.break()
  }

  async stop(): Promise<void> {
    started.delete(this)
    this.cut()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Cuts one direction of one connection into what goes through as a whole. */
  protected cutter(_direction: Direction): (chunk: Buffer) => readonly Piece[] {
    return (raw) => [{ raw }]
  }

  /** Whether it goes through, now that its time has come. */
  protected passes(_link: Link, _direction: Direction, _piece: Piece): boolean {
    return true
  }

  protected ended(link: Link): void {
    this.#links.delete(link)
  }

  #link(client: Socket): void {
    if (this.#refuses) return void client.resetAndDestroy()
    const server = connect({ host: '127.0.0.1', port: this.#targetPort, noDelay: true })
    const link: Link = new Link(client, server, {
      cutter: (direction) => this.cutter(direction),
      passes: (direction, piece) => this.#passes(link, direction, piece),
      onEnd: () => this.ended(link),
    })
    this.#links.add(link)
  }

  async #passes(link: Link, direction: Direction, piece: Piece): Promise<boolean> {
    if (this.delayMs > 0) await sleep(this.delayMs)
    if (this.bytesPerSecond !== Infinity) await sleep((piece.raw.length * 1000) / this.bytesPerSecond)
    if (link.hasEnded || !this.passes(link, direction, piece)) return false
    if (!link.isSilent && !this.#swallowed.has(direction)) return true
    link.hasLost = true
    return false
  }
}

/** A server of TCP on a port that the system has chosen. */
export async function listening(): Promise<Server> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

interface Rules {
  readonly cutter: (direction: Direction) => (chunk: Buffer) => readonly Piece[]
  readonly passes: (direction: Direction, piece: Piece) => Promise<boolean>
  readonly onEnd: () => void
}

/** One client's connection through the proxy. */
export class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #rules: Rules
  /** Nothing comes through any more, though both sides believe in it. */
  isSilent = false
  /** Something has disappeared from it. */
  hasLost = false
  #hasEnded = false

  constructor(client: Socket, server: Socket, rules: Rules) {
    this.#client = client
    this.#server = server
    this.#rules = rules
    client.setNoDelay(true)
    this.#forward('requests', client, server)
    this.#forward('replies', server, client)
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Breaks it, on both sides. */
  break(): void {
    this.#end((socket) => socket.resetAndDestroy())
  }

  #end(close: (socket: Socket) => void): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    close(this.#client)
    close(this.#server)
    this.#rules.onEnd()
  }

  #forward(direction: Direction, from: Socket, to: Socket): void {
    const cut = this.#rules.cutter(direction)
    // One after the other, whatever each of them takes.
    let before: Promise<void> = Promise.resolve()
    const pass = async (piece: Piece): Promise<void> => {
      if ((await this.#rules.passes(direction, piece)) && !this.#hasEnded) to.write(piece.raw)
    }
    from.on('data', (chunk: Buffer) => {
      for (const piece of cut(chunk)) before = before.then(() => pass(piece))
    })
    from.on('error', () => this.break())
    // What was said last arrives before the end does.
    from.on('close', () => void before.then(() => this.#end((socket) => socket.destroySoon())))
  }
}
