import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'
import { RespReader, type RespValue } from './resp.ts'

/** From a client to its server, or back. */
export type Direction = 'requests' | 'replies'

const started = new Set<TcpProxy>()

/** Ends what the test file has started. */
afterAll(async () => {
  await Promise.all([...started].map((each) => each.stop()))
})

/** Stands between the clients and one Redis server, and does what networks do. */
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
  /** Whether messages of channels are left out; everything else comes through. */
  dropsPushes = false
  /** How many messages of channels were left out. */
  pushesDropped = 0
  /** The commands whose reply is lost: see {@link TcpProxy.loseReplyTo}. */
  #losing: { readonly commands: readonly string[]; readonly done: () => void } | undefined

  private constructor(server: Server, targetPort: number) {
    this.#server = server
    this.#targetPort = targetPort
    server.on('connection', (client) => this.#link(client))
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = new TcpProxy(server, targetPort)
    started.add(proxy)
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
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
    for (const link of this.#links) link.end()
  }

  /** Breaks every connection, and refuses new ones until {@link heal}. */
  cut(): void {
    this.#refuses = true
    this.reset()
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
    this.dropsPushes = false
    for (const link of this.#links) if (link.hasLost) link.end()
  }

  /**
   * The next time that a client sends one of these commands it reaches the server, and the connection breaks instead of
   * the reply. Resolves once that has happened.
   */
  loseReplyTo(...commands: readonly string[]): Promise<void> {
    return new Promise((done) => {
      this.#losing = { commands, done }
    })
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

  #link(client: Socket): void {
    if (this.#refuses) return void client.resetAndDestroy()
    const link = new Link(client, connect({ host: '127.0.0.1', port: this.#targetPort, noDelay: true }), {
      isSwallowed: (direction) => this.#swallowed.has(direction),
      pace: async (bytes) => {
        if (this.delayMs > 0) await sleep(this.delayMs)
        if (this.bytesPerSecond !== Infinity) await sleep((bytes * 1000) / this.bytesPerSecond)
      },
      isDropped: (reply) => this.#drops(reply),
      isLost: (request) => this.#loses(request),
      onEnd: () => void this.#links.delete(link),
    })
    this.#links.add(link)
  }

  #drops(reply: RespValue): boolean {
    if (!this.dropsPushes || !isMessage(reply)) return false
    this.pushesDropped += 1
    return true
  }

  #loses(request: RespValue): (() => void) | undefined {
    const losing = this.#losing
    if (losing === undefined || !Array.isArray(request)) return undefined
    const [command]: readonly RespValue[] = request
    if (!losing.commands.includes(String(command).toUpperCase())) return undefined
    this.#losing = undefined
    return losing.done
  }
}

/** Whether it is a message of a channel, rather than a reply or the confirmation of a subscription. */
function isMessage(reply: RespValue): boolean {
  return Array.isArray(reply) && (reply[0] === 'message' || reply[0] === 'smessage' || reply[0] === 'pmessage')
}

interface Rules {
  readonly isSwallowed: (direction: Direction) => boolean
  readonly pace: (bytes: number) => Promise<void>
  readonly isDropped: (reply: RespValue) => boolean
  /** Whom to tell that the reply to this request was lost, if it is to be. */
  readonly isLost: (request: RespValue) => (() => void) | undefined
  readonly onEnd: () => void
}

/** One client's connection through the proxy. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #rules: Rules
  /** Set from when a request is on its way whose reply is not to arrive. */
  #onLost: (() => void) | undefined
  /** Something has disappeared from it. */
  hasLost = false
  #ended = false

  constructor(client: Socket, server: Socket, rules: Rules) {
    this.#client = client
    this.#server = server
    this.#rules = rules
    client.setNoDelay(true)
    for (const socket of [client, server]) {
      socket.on('error', () => this.end())
      socket.on('close', () => this.end())
    }
    this.#forward('requests', client, server, (value) => {
      this.#onLost ??= rules.isLost(value)
      return true
    })
    this.#forward('replies', server, client, (value) => {
      if (rules.isDropped(value)) return false
      if (this.#onLost === undefined) return true
      this.end()
      return false
    })
  }

  /** Breaks it, on both sides. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
    this.#rules.onEnd()
    this.#onLost?.()
  }

  #forward(direction: Direction, from: Socket, to: Socket, passes: (value: RespValue) => boolean): void {
    const reader = new RespReader()
    // One after the other, whatever each of them takes.
    let before: Promise<void> = Promise.resolve()
    const pass = async (raw: Buffer, value: RespValue): Promise<void> => {
      await this.#rules.pace(raw.length)
      if (this.#ended || !passes(value)) return
      if (this.#rules.isSwallowed(direction)) this.hasLost = true
      else to.write(raw)
    }
    from.on('data', (chunk: Buffer) => {
      for (const { raw, value } of reader.read(chunk)) before = before.then(() => pass(raw, value))
    })
  }
}
