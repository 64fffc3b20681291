import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, chownSync, closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type QueryResultRow } from 'pg'
import { freePort } from './free-port.ts'
import { serverFolder, serverProgram, unprivileged } from './server-programs.ts'

const FOLDERS = '/usr/lib/postgresql/*/bin'
const PACKAGE = 'postgresql-15'
const START_MS = 20_000

/** Nothing is forced to the disk: a killed server loses nothing of what it had handed to the operating system. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  fsync: 'off',
  shared_buffers: '16MB',
  max_connections: '100',
  log_min_messages: 'warning',
}

export interface PostgresServerOptions {
  /** Settings of the server, on top of those that make it quick. */
  readonly settings?: Readonly<Record<string, string>>
  /** Speaks TLS, with a certificate of its own for 127.0.0.1 and localhost. Default: not. */
  readonly ssl?: boolean
  /** Begins as a copy of this server, and follows it. Default: empty, and nobody's follower. */
  readonly follows?: PostgresServer
}

const running = new Set<PostgresServer>()

// A test process that ends early must not leave a server behind.
process.once('exit', () => {
  for (const server of running) server.abandon()
})

/** A Postgres server of its own, in a temporary folder, on a free port and a Unix socket. The superuser is `postgres`. */
export class PostgresServer {
  /** Holds the data in `data`, the Unix socket, and `server.crt` where the server speaks TLS. */
  readonly folder: string = serverFolder('postgres')
  readonly #options: PostgresServerOptions
  #port = 0
  #postmaster: ChildProcess | undefined

  private constructor(options: PostgresServerOptions) {
    this.#options = options
  }

  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const server = new PostgresServer(options)
    running.add(server)
    server.#initialize()
    server.#port = await freePort()
    await server.start()
    return server
  }

  get port(): number {
    return this.#port
  }

  /** Over TCP. */
  url(database = 'postgres', user = 'postgres'): string {
    return `postgres://${user}@127.0.0.1:${this.#port}/${database}`
  }

  /** Over the Unix socket. */
  socketUrl(database = 'postgres', user = 'postgres'): string {
    return `postgres://${user}@/${database}?host=${encodeURIComponent(this.folder)}&port=${this.#port}`
  }

  /** Starts it (again), on the same port, and waits until it answers; after a crash, until it has recovered. */
  async start(): Promise<void> {
    const program = serverProgram('postgres', FOLDERS, PACKAGE)
    const log = openSync(join(this.folder, 'log'), 'a')
    try {
      const args = ['-D', join(this.folder, 'data'), '-p', String(this.#port), '-k', this.folder]
      await this.#launch(() => spawn(program, args, { stdio: ['ignore', log, log], cwd: this.folder, ...unprivileged }))
    } finally {
      closeSync(log)
    }
  }

  async #launch(start: () => ChildProcess): Promise<void> {
    const deadline = Date.now() + START_MS
    for (;;) {
      this.#postmaster = start()
      if (await this.#becomesReady(this.#postmaster, deadline)) return
      if (Date.now() > deadline) throw new Error(`Postgres did not start:\n${this.log()}`)
      // Backends of a killed postmaster take a moment to notice, and keep the new one out until then.
      await sleep(50)
    }
  }

  /** `fast` disconnects everybody and ends in order; `immediate` ends as after a power failure. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Kills the postmaster and all that it has started, without a warning. */
  async crash(): Promise<void> {
    const { pid } = this.#postmaster ?? {}
    if (pid === undefined) return
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    const ended = this.#end('SIGKILL')
    for (const child of children) killQuietly(Number(child))
    await ended
  }

  /** Ends it and takes everything away. */
  async dispose(): Promise<void> {
    await this.stop('immediate')
    running.delete(this)
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** As {@link dispose}, where nothing can be waited for any more. */
  abandon(): void {
    this.#postmaster?.kill('SIGQUIT')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Runs SQL as the superuser, over a connection of its own. */
  async run<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    database = 'postgres',
  ): Promise<readonly Row[]> {
    const client = new Client({ connectionString: this.url(database), application_name: 'the test' })
    client.on('error', () => undefined)
    await client.connect()
    try {
      // Several statements at once give a list of results, which nobody asks for.
      return (await client.query<Row>(text, [...values])).rows
    } finally {
      await client.end()
    }
  }

  /** Makes an empty database and gives its name. */
  async createDatabase(name = `test_${Math.random().toString(36).slice(2)}`): Promise<string> {
    await this.run(`CREATE DATABASE ${name}`)
    return name
  }

  /** The last lines that the server has logged. */
  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8').split('\n').slice(-30).join('\n')
  }

  #initialize(): void {
    const data = join(this.folder, 'data')
    const { follows } = this.#options
    const [maker, args] =
      follows === undefined
        ? ['initdb', ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']]
        : ['pg_basebackup', ['-d', follows.url(), '-R', '-c', 'fast', '--no-sync']]
    const program = serverProgram(maker, FOLDERS, PACKAGE)
    execFileSync(program, ['-D', data, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: this.folder,
      ...unprivileged,
    })
    const tls = this.#options.ssl === true ? this.#makeCertificate() : {}
    const settings = Object.entries({ ...SETTINGS, ...tls, ...this.#options.settings })
    appendFileSync(join(data, 'postgresql.conf'), settings.map(([name, value]) => `${name} = '${value}'\n`).join(''))
  }

  #makeCertificate(): Readonly<Record<string, string>> {
    const [key, certificate] = [join(this.folder, 'server.key'), join(this.folder, 'server.crt')]
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
    chmodSync(key, 0o600)
    const { uid, gid } = unprivileged
    if (uid !== undefined && gid !== undefined) chownSync(key, uid, gid)
    return { ssl: 'on', ssl_key_file: key, ssl_cert_file: certificate }
  }

  async #becomesReady(postmaster: ChildProcess, deadline: number): Promise<boolean> {
    while (postmaster.exitCode === null && postmaster.signalCode === null && Date.now() < deadline) {
      try {
        await this.run('SELECT 1')
        return true
      } catch {
        await sleep(20)
      }
    }
    return false
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const postmaster = this.#postmaster
    if (postmaster === undefined || postmaster.exitCode !== null || postmaster.signalCode !== null) return
    const exited = once(postmaster, 'exit')
    postmaster.kill(signal)
    await exited
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}
