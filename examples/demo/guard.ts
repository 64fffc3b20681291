import { join } from 'node:path'
import { fileResource, ResourceLockManager, sqliteStore } from 'holdfast'
import type { Edit } from './edit.ts'
import type { Assignment } from './protocol.ts'

/** How long a lock lasts whose holder died. Short, so that the viewer need not wait; the default is 30 s. */
export const STUCK_LEASE = '2s'

/** What stands between an agent and the files. */
export interface Guard extends AsyncDisposable {
  /** Runs the work of an edit when it may touch its files. */
  run(edit: Edit, isStuck: boolean, work: () => Promise<void>): Promise<void>
}

export async function openGuard({ database, root }: Assignment): Promise<Guard> {
  return database === null ? withoutLocks() : withLocks(database, root)
}

function withoutLocks(): Guard {
  return { run: (_edit, _isStuck, work) => work(), [Symbol.asyncDispose]: async () => {} }
}

/** This is all that it takes to be safe: one manager for the process, and `withLock` around each edit. */
async function withLocks(database: string, root: string): Promise<Guard> {
  const locks = new ResourceLockManager({ store: sqliteStore(database), metrics: false })
  await locks.connect()
  return {
    run: ({ agentId, number, files }, isStuck, work) =>
      locks.withLock(
        files.map((file) => fileResource(join(root, file), { root })),
        { agentId, reason: `edit ${number}`, waitTimeout: '15s', ...(isStuck ? { timeout: STUCK_LEASE } : {}) },
        work,
      ),
    [Symbol.asyncDispose]: () => locks.close(),
  }
}
