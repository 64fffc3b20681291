import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { serverFolder, serverProgram, unprivileged, writeServerFile } from './server-programs.ts'

/** A pgbouncer in transaction mode in front of a server: each transaction may be run over another connection. */
export class PgBouncer {
  readonly port: number
  readonly #folder: string
  readonly #process: ChildProcess

  private constructor(port: number, folder: string, child: ChildProcess) {
    this.port = port
    this.#folder = folder
    this.#process = child
  }

  /** @param serverPort of a Postgres on 127.0.0.1 that trusts its user `postgres` */
  static async start(serverPort: number): Promise<PgBouncer> {
    const program = serverProgram('pgbouncer', '/usr/sbin', 'pgbouncer')
    const folder = serverFolder('pgbouncer')
    const port = await freePort()
    const file = join(folder, 'pgbouncer.ini')
    writeServerFile(file, configuration(port, serverPort))
    const log = openSync(join(folder, 'log'), 'a')
    const child = spawn(program, [file], { stdio: ['ignore', log, log], cwd: folder, ...unprivileged })
    const bouncer = new PgBouncer(port, folder, child)
    await bouncer.#becomesReady()
    return bouncer
  }

  url(database = 'postgres'): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`
  }

  async dispose(): Promise<void> {
    if (!this.#hasEnded) {
      const exited = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await exited
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  async #becomesReady(): Promise<void> {
    const deadline = Date.now() + 10_000
    while (!this.#hasEnded && Date.now() < deadline) {
      const socket = connect(this.port, '127.0.0.1')
      try {
        await once(socket, 'connect')
        return
      } catch {
        await sleep(20)
      } finally {
        socket.destroy()
      }
    }
    throw new Error(`pgbouncer did not start:\n${readFileSync(join(this.#folder, 'log'), 'utf8')}`)
  }
}

function configuration(port: number, serverPort: number): string {
  return [
    '[databases]',
    `* = host=127.0.0.1 port=${serverPort} user=postgres`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 4',
    'max_client_conn = 200',
    'server_login_retry = 1',
    '',
  ].join('\n')
}
