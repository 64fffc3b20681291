import type { Mutant } from './mutant.ts'

const PUSHES = ['test/faults/pushed-grants.test.ts', 'test/faults/crossings.test.ts', 'test/faults/stress.test.ts']
const REBIRTH = ['test/faults/rebirth.test.ts', 'test/faults/outages.test.ts', 'test/faults/stress.test.ts']
const DEADLINES = ['test/faults/deadlines.test.ts', 'test/unit/lease.test.ts']

/** Bugs in the client's half: the session, its pipeline and its handles. */
export const sessionMutants: readonly Mutant[] = [
  {
    name: 'lost push not repaired',
    bug: 'a grant whose message was lost is never taken, and blocks the line until it expires',
    file: 'core/session/session.ts',
    find: '    for (const message of answer.messages) this.#receive(message)\n',
    replace: '',
    suites: PUSHES,
  },
  {
    name: 'gap between pushes not noticed',
    bug: 'the message before, which was lost, counts as received: a grant or a loss that nobody hears of',
    file: 'core/session/session.ts',
    find: 'if (next.number > last + 1 || (next.number',
    replace: 'if ((next.number',
    suites: PUSHES,
  },
  {
    name: 'unknown grant kept',
    bug: 'a lease without a handle blocks everybody until it expires',
    file: 'core/session/session.ts',
    find: 'else if (leases.every((lease) => lease.fencingToken !== message.fence)) this.#handBack(message)',
    replace: '',
    suites: PUSHES,
  },
  {
    name: 'leases kept over a new epoch',
    bug: 'after a loss of data a handle says that it is held, and so does the next one',
    file: 'core/session/session.ts',
    find: "for (const lease of this.#leases.every()) lease.lose({ kind: 'epoch' })",
    replace: '',
    suites: REBIRTH,
  },
  {
    name: 'no second joining',
    bug: 'who was taken for dead waits for ever, because the store has forgotten the place',
    file: 'core/session/session.ts',
    find: '    for (const acquisition of waiting) acquisition.rejoin()\n',
    replace: '',
    suites: REBIRTH,
  },
  {
    name: 'leases not asked for after a rebirth',
    bug: 'a lease that was ended meanwhile is believed in until its own deadline',
    file: 'core/session/session.ts',
    find: '    for (const lease of this.#leases.every()) lease.verify()\n',
    replace: '',
    suites: REBIRTH,
  },
  {
    name: 'leases asked for once only',
    bug: 'where the store refuses to say which leases stand after a rebirth, nobody asks again',
    file: 'core/lock/lease.ts',
    find: "this.#ask('send', 0",
    replace: "this.#ask('submit', 0",
    suites: REBIRTH,
  },
  {
    name: 'failed batch sent as a new one',
    bug: 'a batch that was executed although its answer was lost is executed again',
    file: 'core/session/pipeline.ts',
    find: '        const answer = await this.#store.apply(batch)\n',
    replace: '        const answer = await this.#store.apply({ ...batch, number: (this.#number += 1) })\n',
    suites: ['test/faults/crossings.test.ts', 'test/faults/stress.test.ts', 'test/faults/outages.test.ts'],
  },
  {
    name: 'batch sent ahead without what was answered',
    bug: 'a store that went back gives the same request id to two requests of one session',
    file: 'core/session/pipeline.ts',
    find: '        this.#owner.note(answer)\n',
    replace: '',
    suites: ['test/unit/knowledge.test.ts'],
  },
  {
    name: 'late grant not undone',
    bug: 'a lock that came after its caller had given up stays held',
    file: 'core/session/pipeline.ts',
    find: 'if (abandoned) this.#owner.onLateReply(step, outcome)\n      else recipient',
    replace: 'if (!abandoned) recipient',
    suites: ['test/faults/outages.test.ts', 'test/faults/crossings.test.ts'],
  },
  {
    name: 'deadline from the answer instead of the request',
    bug: 'when an answer was long on its way a holder believes in its lease longer than the store',
    file: 'core/lock/acquisition.ts',
    find: 'this.#grant(outcome, new Deadline(sent, outcome.expiresAt - answer.now), true)',
    replace:
      'this.#grant(outcome, new Deadline(new Stopwatch(this.#session.clock), outcome.expiresAt - answer.now), true)',
    suites: DEADLINES,
  },
  {
    name: 'deadline without its margin',
    bug: 'clocks that run apart leave two holders for a moment',
    file: 'core/time/clock.ts',
    find: 'leaseMs - Math.max(50, leaseMs / 100)',
    replace: 'leaseMs',
    suites: DEADLINES,
  },
  {
    name: 'sleep of the machine not noticed',
    bug: 'after a laptop was closed its locks look as if they still stood',
    file: 'core/time/clock.ts',
    find: 'return Math.max(this.#clock.monotonicMs() - this.#monotonicMs, this.#clock.wallMs() - this.#wallMs)',
    replace: 'return this.#clock.monotonicMs() - this.#monotonicMs',
    suites: DEADLINES,
  },
]
