import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** One series of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface Answer {
  readonly status: 'success' | 'error'
  readonly error?: string
  readonly data: { readonly result: readonly { metric: Record<string, string>; value: [number, string] }[] }
}

/** A Prometheus server on a free port and with a folder of its own. It scrapes one target. */
export class Prometheus implements AsyncDisposable {
  readonly #server: ChildProcess
  readonly #folder: string
  readonly #url: string

  private constructor(server: ChildProcess, folder: string, address: string) {
    this.#server = server
    this.#folder = folder
    this.#url = `http://${address}`
  }

  /** @param target host and port */
  static async start(target: string, interval: string): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-prometheus-'))
    const config = {
      global: { scrape_interval: interval, scrape_timeout: interval },
      scrape_configs: [{ job_name: 'holdfast', static_configs: [{ targets: [target] }] }],
    }
    // JSON is YAML, too.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
    const server = spawn('prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ])
    try {
      const address = await addressOf(server)
      while (!(await fetch(`http://${address}/-/ready`)).ok) await sleep(50)
      return new Prometheus(server, folder, address)
    } catch (error) {
      server.kill()
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** What an instant query gives. */
  async query(promql: string): Promise<readonly Sample[]> {
    const response = await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: promql }).toString()}`)
    const { status, error, data } = (await response.json()) as Answer
    if (status !== 'success') throw new Error(`${promql}: ${error}`)
    return data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.kill()
    await closed
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The server takes a free port, and says in its log which. */
async function addressOf(server: ChildProcess): Promise<string> {
  let log = ''
  return new Promise((resolve, reject) => {
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text
      const address = /"Listening on".* address=(?<address>\S+)/.exec(log)?.groups?.['address']
      if (address !== undefined) resolve(address)
    })
    server.once('error', (error) => reject(explained(error)))
    server.once('close', (code) => reject(new Error(`prometheus ended with code ${code}:\n${log}`)))
  })
}

/** What `promtool check metrics` has to say about a page of metrics: nothing where all is well. */
export async function complaintsOfPromtool(metrics: string): Promise<string> {
  const promtool = spawn('promtool', ['check', 'metrics'])
  let complaints = ''
  for (const stream of [promtool.stdout, promtool.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  }
  return new Promise((resolve, reject) => {
    promtool.once('error', (error) => reject(explained(error)))
    promtool.once('close', (code) => resolve(code === 0 ? complaints : `${complaints}(code ${code})`))
    // Where the program is missing, there is nobody to write to.
    promtool.stdin.on('error', () => {})
    promtool.stdin.end(metrics)
  })
}

function explained(error: Error & { readonly code?: string; readonly path?: string }): Error {
  if (error.code !== 'ENOENT') return error
  const remedy = '`npm test` installs it, or, as root: apt-get install --no-install-recommends prometheus'
  return new Error(`${error.path} is missing: ${remedy}`, { cause: error })
}
