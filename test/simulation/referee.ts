import type { Answer, Batch, LoggedEvent, Message } from '../../src/core/store.ts'
import type { RequestRow } from '../../src/core/table/storage.ts'
import { LogReplay } from './log-replay.ts'
import type { StorageObserver } from './observed-storage.ts'
import { Relation } from './relation.ts'
import { type Entry, heldBackBy, Rows, waitsForItself } from './rows.ts'
import type { Invariant, Verdict } from './verdict.ts'

/** A lease that was granted, as those who watch the clients need to know it. */
export interface Granted {
  readonly entry: Entry
  readonly fence: number
}

interface Change {
  readonly id: number
  readonly before: Entry | undefined
}

/**
 * Watches the rows of the lock table while it works and holds every change against the rules of the model, in plain
 * code of its own: it looks at all rows each time, and shares with the table nothing but the rows.
 */
export class Referee implements StorageObserver {
  /** What was granted by the present batch. */
  readonly granted: Granted[] = []
  /** The fences that were ended by force in the present batch. */
  readonly forced: number[] = []
  /** The fences that have expired. */
  readonly expired: Set<number> = new Set()
  highestFence = 0
  rows: Rows
  #log = new LogReplay()
  /** The fences of leases that were waited for. */
  readonly #fromLine = new Set<number>()
  readonly #relation = new Relation()
  readonly #verdict: Verdict
  #batch: Batch | undefined
  #journal: Change[] = []
  #deadlocked = new Map<number, boolean>()
  #told: number[] = []
  #isExecuting = false
  #expectsFresh = false
  /** The rows are being made again from what was done before: nothing of it is judged a second time. */
  #isReplaying = false
  /** The highest token that the store has forgotten. While its wall clock is behind that, it cannot know better. */
  #forgottenFence = 0
  #wallNow = 0

  constructor(verdict: Verdict) {
    this.#verdict = verdict
    this.rows = new Rows(this.#relation)
  }

  /** The data is gone, or about to be made again up to an earlier moment. */
  reset(): void {
    this.rows = new Rows(this.#relation)
    this.#log = new LogReplay()
    this.#forgottenFence = this.highestFence
  }

  replay(run: () => void): void {
    this.#isReplaying = true
    run()
    this.#isReplaying = false
  }

  begin(batch: Batch, now: number, wallNow: number, epoch: string): void {
    this.#wallNow = wallNow
    this.#batch = batch
    this.rows.now = now
    this.granted.length = 0
    this.forced.length = 0
    this.#journal = []
    this.#told = []
    this.#deadlocked = new Map()
    const last = this.rows.lastBatch(batch.session)
    this.#isExecuting = (batch.epoch === null || batch.epoch === epoch) && (last === undefined || batch.number > last)
    this.#expectsFresh = this.#isExecuting && this.rows.hear(batch)
  }

  /** The table refused the batch as a whole, before it did anything. */
  refused(): void {
    this.#batch = undefined
  }

  end(answer: Answer): void {
    const batch = this.#batch
    if (batch === undefined || !this.#isExecuting) return
    if (!this.#isReplaying) this.#checkSteps(answer, batch)
    if (batch.steps.some(({ type }) => type === 'goodbye')) this.rows.leaves(batch.session)
    if (!this.#isReplaying && !answer.more) this.#checkRest(answer)
  }

  #checkSteps(answer: Answer, batch: Batch): void {
    if (answer.fresh !== this.#expectsFresh) this.#fail('fresh', `batch ${batch.number}: fresh is ${answer.fresh}`)
    this.#checkAnswer(answer, batch)
    this.#checkDeadlocks(answer, batch)
    this.#checkLog()
  }

  inserted(row: RequestRow): void {
    const entry = this.rows.entryOf(row)
    this.#set(row.id, entry)
    // A store that went back while its wall clock did, too, may give a token a second time.
    if (row.lease !== null) this.#fromLine.delete(row.lease.fence)
    if (this.#isReplaying) return
    if (row.session !== this.#batch?.session) this.#fail('exclusion', `${nameOf(row)} was put in by somebody else`)
    if (row.lease !== null) this.#judgeGrant(entry)
  }

  updated(row: RequestRow): void {
    const before = this.rows.entries.get(row.id)
    const entry = this.rows.entryOf(row)
    if (!this.#isReplaying && before !== undefined) this.#judgeUpdate(before, entry)
    this.#set(row.id, entry)
    if (before?.row.lease !== null || row.lease === null) return
    this.#fromLine.add(row.lease.fence)
    if (!this.#isReplaying) this.#judgeGrant(entry)
  }

  deleted(id: number): void {
    const before = this.rows.entries.get(id)
    if (before === undefined) return
    if (!this.#isReplaying) this.#judgeEnd(before)
    if (before.row.lease !== null && !this.rows.isLive(before)) this.expired.add(before.row.lease.fence)
    this.#set(id, undefined)
  }

  logged(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      const wrong = this.#log.add(event, (fence) => this.#fromLine.has(fence))
      if (wrong !== undefined && !this.#isReplaying) this.#fail('log', wrong)
    }
  }

  posted(session: string, message: Message): void {
    if (!this.rows.tell(session, message) && !this.#isReplaying) {
      this.#fail('outbox', `message ${message.number} was posted out of its turn`)
    }
    if (message.type === 'deadlock') this.#told.push(message.id)
  }

  forgotten(session: string): void {
    this.rows.forget(session)
  }

  /** The live lease with this fencing token, if there is one. */
  holder(fence: number): Entry | undefined {
    for (const entry of this.rows.entries.values()) {
      if (entry.row.lease?.fence === fence) return this.rows.isLive(entry) ? entry : undefined
    }
    return undefined
  }

  /** Whether anybody waits for itself, however uncertain the way there is. */
  get isDeadlocked(): boolean {
    const live = this.rows.live()
    const waiting = live.filter(({ row }) => row.lease === null)
    return waiting.some(({ row, claims }) =>
      waitsForItself(this.rows, live, { claims, chain: row.chain, id: row.id }, false),
    )
  }

  #judgeGrant(entry: Entry): void {
    const { row } = entry
    const fence = row.lease?.fence ?? 0
    const isNew = !this.#journal.some(({ id, before }) => id === row.id && before !== undefined)
    const live = this.rows.live()
    for (const other of live) {
      if (other.row.lease !== null && other.row.id !== row.id && this.rows.conflict(other, entry)) {
        this.#fail('exclusion', `${nameOf(row)} was granted while ${nameOf(other.row)} holds`)
      }
    }
    // The lease itself does not count yet: by it every waiter in front would seem to wait for its chain.
    const others = live.filter(({ row: other }) => other.id !== row.id)
    const earlier = heldBackBy(this.rows, others, entry)
    if (earlier !== undefined && earlier.row.lease === null) {
      this.#fail('fifo', `${nameOf(row)} was granted before ${nameOf(earlier.row)}`)
    }
    if (!isNew) this.#judgeWaiter(row)
    const isExcused = fence <= this.#forgottenFence && this.#wallNow * 1000 <= this.#forgottenFence
    if (fence <= this.highestFence && !isExcused) {
      this.#fail('token', `${nameOf(row)} got ${fence} after ${this.highestFence}`)
    }
    this.highestFence = Math.max(this.highestFence, fence)
    if ((row.dueAt ?? Infinity) > this.rows.now + row.ttlMs) {
      this.#fail('extension', `${nameOf(row)} was granted until ${row.dueAt}`)
    }
    this.granted.push({ entry, fence })
  }

  /** A waiter may be granted only while it waits, and lives. */
  #judgeWaiter(row: RequestRow): void {
    const waiter = this.#journal.findLast(({ id, before }) => id === row.id && before?.row.lease === null)?.before
    if (waiter !== undefined && !this.rows.isLive(waiter)) {
      this.#fail('dead', `${nameOf(row)} was granted although it waits no more`)
    }
  }

  #judgeUpdate(before: Entry, after: Entry): void {
    const [old, row] = [before.row, after.row]
    if (old.lease === null || row.lease === null || old.dueAt === row.dueAt) return
    const cap = row.maxHoldMs === null ? Infinity : row.lease.grantedAt + row.maxHoldMs
    if (!this.rows.isLive(before)) this.#fail('expiry', `${nameOf(row)} was extended after its end`)
    if ((row.dueAt ?? 0) < (old.dueAt ?? 0)) this.#fail('extension', `the expiry of ${nameOf(row)} moved back`)
    const asked =
      this.#batch?.steps.map((step) => (step.type === 'extend' && step.id === row.id ? step.ttlMs : 0)) ?? []
    const longest = Math.max(row.ttlMs, ...asked)
    if ((row.dueAt ?? 0) > Math.min(this.rows.now + longest, Math.max(cap, old.dueAt ?? 0))) {
      this.#fail('extension', `${nameOf(row)} was extended until ${row.dueAt}`)
    }
    if (!old.lease.owners.some(({ session }) => session === this.#batch?.session)) {
      this.#fail('extension', `${nameOf(row)} was extended by somebody else`)
    }
  }

  /** What still counts ends only by a step that asks for it. */
  #judgeEnd(entry: Entry): void {
    const { row } = entry
    if (!this.rows.isLive(entry)) return
    const steps = this.#batch?.steps ?? []
    const isOwn = row.session === this.#batch?.session
    if (row.lease === null) {
      if (row.chain !== null && !isOwn) this.#deadlocked.set(row.id, this.#waitsForItself(entry))
      const isAsked = isOwn && steps.some((step) => step.type === 'goodbye' || ('id' in step && step.id === row.id))
      if (isOwn && row.chain !== null && !isAsked) this.#deadlocked.set(row.id, this.#waitsForItself(entry))
      if (!isAsked && this.#deadlocked.get(row.id) !== true) this.#fail('expiry', `${nameOf(row)} lost its place`)
      return
    }
    const owners = row.lease.owners
    const isByOwner = owners.some(
      ({ session, hash }) =>
        session === this.#batch?.session &&
        steps.some((step) => 'id' in step && step.id === row.id && (step.type === 'handBack' || step.token === hash)),
    )
    const isForced = steps.some(({ type }) => type === 'force')
    if (isForced) this.forced.push(row.lease.fence)
    else if (!isByOwner) this.#fail('expiry', `${nameOf(row)} was ended before its expiry`)
  }

  #waitsForItself({ row, claims }: Entry): boolean {
    return waitsForItself(this.rows, this.rows.live(), { claims, chain: row.chain, id: row.id })
  }

  #checkAnswer(answer: Answer, batch: Batch): void {
    const first = answer.messages[0]?.number
    answer.messages.forEach(({ number }, index) => {
      if (number !== (first ?? 0) + index) this.#fail('outbox', `message ${number} follows a gap`)
    })
    const last = answer.messages.at(-1)?.number
    if (!answer.more && last !== undefined && last !== this.rows.posted(batch.session)) {
      this.#fail('outbox', `the answer ends with message ${last}`)
    }
    const [step, second] = batch.steps
    if (second !== undefined || (step?.type !== 'inspect' && step?.type !== 'list')) return
    for (const outcome of answer.outcomes ?? []) {
      if (outcome.type !== 'inspected' && outcome.type !== 'listed') continue
      const wrong = outcome.leases.find(({ fence }) => this.holder(fence) === undefined)
      if (wrong !== undefined) this.#fail('expiry', `${wrong.fence} is shown as held, and is not`)
    }
  }

  #checkDeadlocks(answer: Answer, batch: Batch): void {
    for (const id of this.#told) {
      if (this.#deadlocked.get(id) !== true) this.#fail('deadlock', `request ${id} was refused without a deadlock`)
    }
    answer.outcomes?.forEach((outcome, index) => {
      const step = batch.steps[index]
      if (outcome.type !== 'deadlock' || step?.type !== 'acquire') return
      const suspect = { claims: this.#relation.number(step.claims), chain: step.chain, id: Infinity }
      if (!this.#wasEver((rows) => waitsForItself(rows, rows.live(), suspect))) {
        this.#fail('deadlock', `${step.reason} was refused without a deadlock`)
      }
    })
  }

  /** Whether something was true at some moment of the present batch. */
  #wasEver(isTrue: (rows: Rows) => boolean): boolean {
    const { entries } = this.rows
    const last = new Map(entries)
    let found = isTrue(this.rows)
    for (const { id, before } of this.#journal.toReversed()) {
      if (found) break
      if (before === undefined) entries.delete(id)
      else entries.set(id, before)
      found = isTrue(this.rows)
    }
    entries.clear()
    for (const [id, entry] of last) entries.set(id, entry)
    return found
  }

  #checkLog(): void {
    if (this.#journal.length === 0) return
    const wrong = this.#log.compare(this.rows.entries.values())
    if (wrong !== undefined) this.#fail('log', wrong)
  }

  /** Nothing is left to do: no expired lease stands, nobody waits in vain, nobody waits for himself. */
  #checkRest(answer: Answer): void {
    const live = this.rows.live()
    for (const entry of this.rows.entries.values()) {
      const { row } = entry
      if (row.dueAt !== null && row.dueAt <= this.rows.now)
        this.#fail('expiry', `${nameOf(row)} is due and still there`)
      if (row.lease !== null || !this.rows.isLive(entry)) continue
      if (heldBackBy(this.rows, live, entry) === undefined) this.#fail('idle', `${nameOf(row)} waits for nobody`)
      const isChanged = this.#journal.length > 0 && row.chain !== null
      if (isChanged && this.#waitsForItself(entry)) this.#fail('deadlock', `${nameOf(row)} waits for itself`)
    }
    if (answer.now !== this.rows.now) this.#fail('fresh', 'the answer has another time')
  }

  #set(id: number, entry: Entry | undefined): void {
    this.#journal.push({ id, before: this.rows.entries.get(id) })
    if (entry === undefined) this.rows.entries.delete(id)
    else this.rows.entries.set(id, entry)
  }

  #fail(invariant: Invariant, detail: string): void {
    if (!this.#isReplaying) this.#verdict.fail(invariant, `${detail} (store time ${this.rows.now})`)
  }
}

function nameOf(row: RequestRow): string {
  return `request ${row.id} (${row.reason ?? row.agentId})`
}
