/**
 * A process that changes what a lock protects, told what to do by its parent:
 * `node holder-program.ts <SQLite file of the locks> <kind of target> <address>`.
 */
import { isResourceLockError } from '../../src/core/errors.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'
import type { HolderReport, HolderTask } from './holder-process.ts'
import { targets } from './targets.ts'

const [, , file = '', kind = '', address = ''] = process.argv
const target = targets[kind]?.(address)
const locks = new ResourceLockManager({ store: sqliteStore(file), metrics: false, heartbeat: '200ms' })
let goOn = (): void => undefined

const say = (report: HolderReport): void => void process.send?.(report)

async function append({ timeout, isGuarded, word }: Extract<HolderTask, { do: 'append' }>): Promise<void> {
  const lock = await locks.acquire('state:guarded', { agentId: word, timeout, waitTimeout: '10s' })
  const hold = async (): Promise<void> => {
    const told = new Promise<void>((resolve) => (goOn = resolve))
    say({ said: 'read' })
    await told
  }
  const outcome = await target?.append(isGuarded ? lock : null, word, hold).then(
    () => 'written',
    (error: unknown) => (isResourceLockError(error) ? error.code : String(error)),
  )
  say({ said: 'done', outcome: outcome ?? `no target ${kind}`, isHeld: lock.isHeld })
}

process.on('message', (task: HolderTask) => {
  if (task.do === 'append') void append(task)
  else goOn()
})
