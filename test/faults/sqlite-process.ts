/** Another process that uses a lock file. `node sqlite-process.ts ROLE FILE`; it tells by IPC how it goes. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AcquireStep, Answer, Batch, LockStore, Step } from '../../src/core/store.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'

/** What a process tells. */
export type Report =
  | { readonly says: 'ready'; readonly epoch: string }
  | { readonly says: 'failed'; readonly code: string; readonly message: string }
  | { readonly says: 'inside' }
  | { readonly says: 'held'; readonly id: number; readonly fence: number }
  | { readonly says: 'turns'; readonly turns: number }
  | { readonly says: 'violation'; readonly message: string }

/** A session that only knows how to send. */
class Speaker {
  readonly session: string = randomBytes(16).toString('hex')
  readonly #store: LockStore
  #number = 0
  #acked = 0
  #received: Answer['messages'] = []

  constructor(store: LockStore) {
    this.#store = store
  }

  async send(...steps: readonly Step[]): Promise<Answer> {
    this.#number += 1
    const { session } = this
    const batch: Batch = {
      session,
      number: this.#number,
      epoch: null,
      acked: this.#acked,
      received: this.#received,
      deadMs: 1500,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps,
    }
    const answer = await this.#store.apply(batch)
    this.#received = answer.messages
    this.#acked = Math.max(this.#acked, answer.messages.at(-1)?.number ?? 0)
    return answer
  }
}

const [, , role = '', file = ''] = process.argv

function tell(report: Report): void {
  process.send?.(report)
}

function asking(resourceId: string, ttlMs: number, waitMs: number | null): AcquireStep {
  const claims = [{ resourceId, mode: 'exclusive', scope: 'node' } as const]
  const nothing = { chain: null, reentrant: false, holding: null, reason: null, metadata: null, maxHoldMs: null }
  return { type: 'acquire', token: randomBytes(16).toString('hex'), agentId: role, claims, ttlMs, waitMs, ...nothing }
}

/** Takes a lease and keeps it until the process is killed. */
async function hold(store: LockStore): Promise<void> {
  const [outcome] = (await new Speaker(store).send(asking('r:held', 1500, 0))).outcomes ?? []
  if (outcome?.type === 'granted') tell({ says: 'held', id: outcome.id, fence: outcome.fence })
}

/** Takes turns with others at one resource, and checks that they are turns; in between it has a resource of its own. */
async function hammer(store: LockStore): Promise<void> {
  const speaker = new Speaker(store)
  const guarded = `${file}-guarded`
  for (let turns = 1; ; turns += 1) {
    const own = asking(`r:own/${process.pid}`, 1000, 0)
    const shared = asking('r:shared', 1000, 0)
    const { outcomes } = await speaker.send(own, shared)
    for (const [index, outcome] of (outcomes ?? []).entries()) {
      if (outcome.type !== 'granted') continue
      if (index === 1) visit(guarded, outcome.fence)
      await speaker.send({
        type: 'release',
        id: outcome.id,
        token: index === 0 ? own.token : shared.token,
        expired: false,
      })
    }
    if (turns % 50 === 0) tell({ says: 'turns', turns })
    // Else a process whose channel is full would grow until it dies.
    if (turns % 500 === 0) await sleep(1)
  }
}

/** Reads and writes without protection: whoever comes in between would be seen. */
function visit(guarded: string, fence: number): void {
  const last = Number(readFileSync(guarded, 'utf8') || '0')
  if (last >= fence) tell({ says: 'violation', message: `the token ${fence} came after ${last}` })
  writeFileSync(guarded, String(fence))
}

/** Takes leases until that fails. */
async function fill(store: LockStore): Promise<void> {
  const speaker = new Speaker(store)
  for (let count = 1; count < 10_000; count += 1) {
    await speaker.send({ ...asking(`r:${count}`, 60_000, 0), metadata: JSON.stringify('x'.repeat(4000)) })
    if (count % 10 === 0) tell({ says: 'turns', turns: count })
  }
}

/** Stands inside a transaction that has changed rows. */
function hangInTransaction(): void {
  const database = new DatabaseSync(file)
  database.exec("BEGIN IMMEDIATE; DELETE FROM claims; DELETE FROM requests; UPDATE namespace SET epoch = 'torn'")
  tell({ says: 'inside' })
  setInterval(() => database.isOpen, 1000)
}

async function main(): Promise<void> {
  if (role === 'hang') return hangInTransaction()
  const store = await sqliteStore(file).open('default')
  const { epoch } = await new Speaker(store).send()
  tell({ says: 'ready', epoch })
  if (role === 'hold') await hold(store)
  if (role === 'hammer') {
    appendFileSync(`${file}-guarded`, '')
    await hammer(store)
  }
  if (role === 'fill') await fill(store)
  if (role === 'leave') {
    await store.subscribe('s'.repeat(32), { onMessages: () => undefined, onInterruption: () => undefined })
    await store.follow(() => undefined)
    // The channel would keep the process alive, and it is to end by itself, with its store open.
    process.disconnect()
  }
}

main().catch((error: Error & { code?: string }) => {
  tell({ says: 'failed', code: error.code ?? '', message: error.message })
  process.disconnect()
})
