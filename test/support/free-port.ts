import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below what operating systems give to outgoing connections: nobody else takes such a port while its server is down,
 * and no client that tries to reach it meets itself.
 */
const FIRST_PORT = 12_000
const PORTS_PER_WORKER = 1_000
const WORKERS = 20

const given = new Set<number>()

/** A port of 127.0.0.1 that nobody listens on. It is given once, and test files that run side by side do not share any. */
export async function freePort(): Promise<number> {
  const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS
  for (let attempt = 0; attempt < PORTS_PER_WORKER; attempt += 1) {
    const port = FIRST_PORT + worker * PORTS_PER_WORKER + Math.floor(Math.random() * PORTS_PER_WORKER)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error('No port is free: end the servers that earlier runs of the tests have left behind.')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
