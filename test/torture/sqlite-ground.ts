import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Fault, rest, type Scene } from './fault.ts'
import type { Ground } from './ground.ts'

const HOLD_MS = 1_000
const HANGING = join(import.meta.dirname, 'hanging-transaction.ts')

/** The embedded store: a file that the workers share. */
export function sqliteGround(folder: string): Ground {
  const file = join(folder, 'locks.db')
  const url = `sqlite:${file}`
  const faults: readonly Fault[] = [
    {
      kind: 'busy',
      name: 'keep the file busy',
      losesData: false,
      isOutage: true,
      strike: (scene) => keepBusy(file, scene),
    },
    {
      kind: 'torn',
      name: 'kill a process inside a transaction',
      losesData: false,
      isOutage: true,
      strike: () => tear(file),
    },
  ]
  return {
    description: 'SQLite, a file on the local disk',
    workerUrl: url,
    runnerUrl: url,
    faults,
    stop: async () => {},
  }
}

/** Somebody who is none of us has the file for a while. */
async function keepBusy(file: string, { signal }: Scene): Promise<string> {
  const database = new DatabaseSync(file, { timeout: 5_000 })
  try {
    database.exec('BEGIN IMMEDIATE')
    await rest(HOLD_MS, signal)
    database.exec('ROLLBACK')
  } finally {
    database.close()
  }
  return `another process had the file locked for ${HOLD_MS} ms`
}

/** A process changes every row, and is killed before it commits. */
async function tear(file: string): Promise<string> {
  const child = spawn(process.execPath, [HANGING, file], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await Promise.race([once(child, 'message'), once(child, 'exit')])
  const exited = child.exitCode === null ? once(child, 'exit') : Promise.resolve()
  child.kill('SIGKILL')
  await exited
  return 'a process was killed that had deleted every lease and not committed'
}
