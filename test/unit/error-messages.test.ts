import { describe, expect, test } from 'vitest'
import { busyMessage, deadlockMessage, lostMessage, timeoutMessage } from '../../src/core/error-messages.ts'
import type { Claim, DeadlockLink, LockInfo } from '../../src/core/model.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')
const at = (secondsFromNow: number): Date => new Date(nowMs + secondsFromNow * 1_000)
const main: Claim = { resourceId: 'file:src/main.ts', mode: 'exclusive', scope: 'node' }
const source: Claim = { resourceId: 'file:src', mode: 'shared', scope: 'tree' }

function holder(agentId: string, given: Partial<LockInfo> = {}): LockInfo {
  return {
    ...main,
    agentId,
    lockedAt: at(-12),
    expiresAt: at(18),
    fencingToken: 1,
    resources: [main],
    waiters: 0,
    ...given,
  }
}

describe('the message of a busy resource', () => {
  test('says who holds it, how, why, since when and until when, who is in front, and what to do', () => {
    const holders = [holder('agent-b', { reason: 'Refactoring' })]
    expect(busyMessage({ resources: [main], holders, ahead: 2 }, nowMs)).toBe(
      "file:src/main.ts is not free: agent-b holds file:src/main.ts (exclusive, reason: 'Refactoring') " +
        'since 2026-03-01T11:59:48Z (12s ago) until 2026-03-01T12:00:18Z (in 18s); 2 requests wait in front. ' +
        'Try again later, or wait for it (waitTimeout).',
    )
  })

  test('names a holder by what it holds, which may be a tree above', () => {
    const message = busyMessage({ resources: [main], holders: [holder('agent-b', { ...source })], ahead: 0 }, nowMs)
    expect(message).toContain('agent-b holds file:src/** (shared) since')
    expect(message).not.toContain('in front')
  })

  test('names the root of a type', () => {
    const root: Claim = { resourceId: 'file:', mode: 'exclusive', scope: 'tree' }
    expect(busyMessage({ resources: [root], holders: [], ahead: 1 }, nowMs)).toContain(
      'file:** is not free: 1 request waits in front.',
    )
  })

  test('names three holders and counts the others', () => {
    const holders = ['a', 'b', 'c', 'd', 'e'].map((agentId) => holder(agentId))
    const message = busyMessage({ resources: [main, source], holders, ahead: 0 }, nowMs)
    expect(message).toContain('file:src/main.ts (with 1 more) is not free')
    expect(message).toContain('c holds')
    expect(message).toContain('; 2 more hold parts of it.')
    expect(message).not.toContain('d holds')
  })

  test('does not speak of the future where a lease is just ending', () => {
    expect(
      busyMessage({ resources: [main], holders: [holder('b', { expiresAt: at(-1) })], ahead: 0 }, nowMs),
    ).toContain('until 2026-03-01T11:59:59Z (now)')
  })

  test('can be made of next to nothing', () => {
    expect(busyMessage({ resources: [], holders: [], ahead: 0 })).toContain('is not free: it was held a moment ago')
    const broken = holder('b', { lockedAt: new Date(Number.NaN) })
    expect(busyMessage({ resources: [main], holders: [broken], ahead: 0 }, nowMs)).toContain('since an unknown time')
  })
})

test('the message of a timed-out wait says for how long it waited, and the same as the busy one', () => {
  const message = timeoutMessage({ resources: [main], holders: [holder('agent-b')], ahead: 0 }, 5_000, nowMs)
  expect(message).toContain('file:src/main.ts did not become free within 5s: agent-b holds')
  expect(message).toContain('Wait longer (waitTimeout)')
})

describe('the message of a lost lock', () => {
  test.each([
    [{ kind: 'expired' }, 'its lease ran out'],
    [{ kind: 'forced', by: 'admin', reason: 'stuck' }, "admin ended it by force, reason: 'stuck'"],
    [{ kind: 'forced' }, 'somebody ended it by force'],
    [{ kind: 'epoch' }, 'the store lost its data'],
    [{ kind: 'unreachable' }, 'the store gave no answer'],
    [{ kind: 'closed' }, 'manager was closed'],
  ] as const)('of %j says %j and what to do', (loss, expected) => {
    const message = lostMessage({ resources: [main], loss })
    expect(message).toContain('The lock on file:src/main.ts was lost: ')
    expect(message).toContain(expected)
    expect(message).toContain('Stop, check what you did under it, and lock it again.')
  })

  test('of one that ran out says how to keep it longer', () => {
    expect(lostMessage({ resources: [main], loss: { kind: 'expired' } })).toContain('autoExtend')
    expect(lostMessage({ resources: [main], loss: { kind: 'epoch' } })).not.toContain('autoExtend')
  })
})

describe('the message of a deadlock', () => {
  const link = (agentId: string, state: DeadlockLink['state'], resourceId: string): DeadlockLink => ({
    agentId,
    state,
    resourceId,
    mode: 'exclusive',
    since: at(-3),
  })

  test('lists the circle, one link after the other', () => {
    const cycle = [
      link('a', 'waits', 'file:2'),
      link('b', 'holds', 'file:2'),
      link('b', 'waits', 'file:1'),
      link('a', 'holds', 'file:1'),
    ]
    expect(deadlockMessage(cycle, nowMs).split('\n')).toEqual([
      'Waiting would never end, because all of these wait for each other:',
      '  a waits for file:2 (exclusive) since 2026-03-01T11:59:57Z (3s ago)',
      '  b holds file:2 (exclusive) since 2026-03-01T11:59:57Z (3s ago)',
      '  b waits for file:1 (exclusive) since 2026-03-01T11:59:57Z (3s ago)',
      '  a holds file:1 (exclusive) since 2026-03-01T11:59:57Z (3s ago)',
      'Release what you hold and try again, or ask for all of it in one request.',
    ])
  })

  test('names the upgrade that does not exist', () => {
    const cycle = [link('a', 'waits', 'file:1'), { ...link('a', 'holds', 'file:1'), mode: 'shared' as const }]
    expect(deadlockMessage(cycle, nowMs)).toContain('A shared lock cannot become an exclusive one')
  })
})
