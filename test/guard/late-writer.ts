import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ResourceLockManager } from '../../src/open.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'
import { temporaryFolder } from '../support/processes.ts'
import { HolderProcess } from './holder-process.ts'
import { targets } from './targets.ts'

/** When the late write comes: after the other's write, or between its read and its write. */
type Order = 'after' | 'between'

interface Ended {
  /** How the early holder's change ended: `written`, or the code of the error. The late one's always succeeds. */
  readonly early: string
  readonly content: string
}

/**
 * The case that guards are for. A process locks and reads, and stands still until its lease is over; another one gets
 * the lock, reads and writes; the first goes on. Guarded, its write is refused; unguarded, an update is lost.
 *
 * @param addressOf makes an empty target, and gives its address
 */
export function describeLateWriter(kind: string, addressOf: () => string | Promise<string>): void {
  describe(`a holder of a ${kind} that stands still past its lease`, { timeout: 30_000 }, () => {
    test.each<Order>(['after', 'between'])('is refused when its late write comes %s the next one’s', async (order) => {
      const ended = await play(kind, await addressOf(), true, order)
      expect(ended).toEqual({ early: 'FENCED_OUT', content: 'late ' })
    })

    test('overwrites the next one’s update where nothing is guarded', async () => {
      const ended = await play(kind, await addressOf(), false, 'after')
      expect(ended).toEqual({ early: 'written', content: 'early ' })
    })

    test('loses its own update unseen where nothing is guarded and it comes between', async () => {
      const ended = await play(kind, await addressOf(), false, 'between')
      expect(ended).toEqual({ early: 'written', content: 'late ' })
    })
  })
}

async function play(kind: string, address: string, isGuarded: boolean, order: Order): Promise<Ended> {
  const file = join(temporaryFolder(), 'locks.db')
  const early = new HolderProcess(file, kind, address)
  early.tell({ do: 'append', timeout: '1s', isGuarded, word: 'early ' })
  await early.says('read')
  early.signal('SIGSTOP')
  const target = targets[kind]?.(address)
  if (target === undefined) throw new Error(`There is no target ${kind}.`)
  await using locks = new ResourceLockManager({ store: sqliteStore(file), metrics: false })
  const lock = await locks.acquire('state:guarded', { agentId: 'late', waitTimeout: '20s' })
  const earlyGoesOn = async (): Promise<string> => {
    early.signal('SIGCONT')
    early.tell({ do: 'go on' })
    const { outcome, isHeld } = await early.says('done')
    expect(isHeld).toBe(false)
    return outcome
  }
  let outcome: string | undefined
  try {
    await target.append(isGuarded ? lock : null, 'late ', async () => {
      if (order === 'between') outcome = await earlyGoesOn()
    })
    outcome ??= await earlyGoesOn()
    return { early: outcome, content: await target.content() }
  } finally {
    await target.close()
  }
}
