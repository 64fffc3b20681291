import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../test/support/free-port.ts'
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
