import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { encodeCommand, RespReader, type RespValue } from './resp.ts'

const DEADLINE_MS = 10_000

/** Where a server is, and as whom to talk to it. */
export interface RedisAddress {
  readonly port: number
  readonly password?: string | undefined
  /** The certificate that the server shows, where it speaks TLS. */
  readonly ca?: string | undefined
}

interface Pending {
  readonly resolve: (value: RespValue) => void
  readonly reject: (error: Error) => void
}

/** A connection of the tests themselves, without any client library: it neither reconnects nor repeats. */
export class RedisConnection {
  readonly #socket: Socket
  readonly #pending: Pending[] = []
  #error: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    const reader = new RespReader()
    socket.on('data', (chunk: Buffer) => {
      for (const { value } of reader.read(chunk)) this.#settle(value)
    })
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('The server has closed the connection.')))
  }

  static async open({ port, password, ca }: RedisAddress): Promise<RedisConnection> {
    const host = '127.0.0.1'
    const socket = ca === undefined ? connect({ host, port }) : connectTls({ host, port, ca })
    await once(socket, ca === undefined ? 'connect' : 'secureConnect')
    socket.setNoDelay(true)
    const connection = new RedisConnection(socket)
    if (password !== undefined) await connection.command('AUTH', password)
    return connection
  }

  get isOpen(): boolean {
    return this.#error === undefined
  }

  /** Sends a command and gives its reply; an error reply rejects. */
  async command(...args: readonly (string | number)[]): Promise<RespValue> {
    if (this.#error !== undefined) throw this.#error
    const text = args.join(' ').slice(0, 60)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#socket.destroy(new Error(`No reply to ${text}.`)), DEADLINE_MS)
      this.#pending.push({
        resolve: (value) => {
          clearTimeout(timer)
          if (value instanceof Error) reject(new Error(`${text}: ${value.message}`))
          else resolve(value)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(new Error(`${text}: ${error.message}`, { cause: error }))
        },
      })
      this.#socket.write(encodeCommand(args))
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #settle(value: RespValue): void {
    this.#pending.shift()?.resolve(value)
  }

  #end(error: Error): void {
    this.#error ??= error
    for (const pending of this.#pending.splice(0)) pending.reject(error)
  }
}
