import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAdmin } from './contenders.ts'

export interface Server {
  readonly port: number
  stop(): Promise<void>
}

/** A Redis on this machine that keeps nothing on disk. */
export async function startServer(): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const port = await freePort()
  const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = spawn('redis-server', ['--port', String(port), ...settings], { cwd: folder, stdio: 'ignore' })
  await once(server, 'spawn')
  const admin = openAdmin(port)
  admin.on('error', () => undefined)
  await admin.ping()
  admin.disconnect()
  return {
    port,
    async stop() {
      const exit = once(server, 'exit')
      server.kill()
      await exit
      await rm(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  listener.close()
  await once(listener, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port of 127.0.0.1 is free')
  return address.port
}
