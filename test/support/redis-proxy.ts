import { RespReader, type RespFrame, type RespValue } from './resp.ts'
import { type Direction, type Link, listening, type Piece, TcpProxy } from './tcp-proxy.ts'

/** A proxy that understands what clients and a Redis server say to each other. */
export class RedisProxy extends TcpProxy {
  /** Whether messages of channels are left out; everything else comes through. */
  dropsPushes = false
  /** How many messages of channels were left out. */
  pushesDropped = 0
  /** The commands whose reply is lost: see {@link loseReplyTo}. */
  #losing: { readonly commands: readonly string[]; readonly done: () => void } | undefined
  /** Connections with a request on its way whose reply is not to arrive, and whom to tell. */
  readonly #doomed = new Map<Link, () => void>()

  static override async start(targetPort: number): Promise<RedisProxy> {
    return new RedisProxy(await listening(), targetPort)
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  override heal(): void {
    this.dropsPushes = false
    super.heal()
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

  protected override cutter(): (chunk: Buffer) => readonly RespFrame[] {
    const reader = new RespReader()
    return (chunk) => reader.read(chunk)
  }

  protected override passes(link: Link, direction: Direction, { value }: Piece): boolean {
    if (direction === 'requests') {
      this.#doom(link, value as RespValue)
      return true
    }
    if (this.dropsPushes && isMessage(value as RespValue)) {
      this.pushesDropped += 1
      return false
    }
    if (!this.#doomed.has(link)) return true
    link.break()
    return false
  }

  protected override ended(link: Link): void {
    super.ended(link)
    this.#doomed.get(link)?.()
    this.#doomed.delete(link)
  }

  #doom(link: Link, request: RespValue): void {
    if (this.#losing === undefined || this.#doomed.has(link) || !Array.isArray(request)) return
    const [command]: readonly RespValue[] = request
    if (!this.#losing.commands.includes(String(command).toUpperCase())) return
    this.#doomed.set(link, this.#losing.done)
    this.#losing = undefined
  }
}

/** Whether it is a message of a channel, rather than a reply or the confirmation of a subscription. */
function isMessage(reply: RespValue): boolean {
  return Array.isArray(reply) && (reply[0] === 'message' || reply[0] === 'smessage' || reply[0] === 'pmessage')
}
