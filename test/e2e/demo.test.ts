import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compare } from '../../examples/demo/arena.ts'
import { markerOf } from '../../examples/demo/edit.ts'
import { root } from '../support/repository.ts'

const PATIENCE_MS = 60_000

/** The demo makes its folder in here, so that what it leaves behind is seen. */
let temporary: string

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
})

afterEach(async () => {
  await rm(temporary, { recursive: true, force: true })
})

describe('the demo', { timeout: PATIENCE_MS }, () => {
  test('loses nothing with locks, and its numbers add up', async () => {
    const { code, output, complaints } = await end(start('--agents', '4', '--edits', '8'))
    expect({ code, complaints }).toEqual({ code: 0, complaints: '' })

    const planned = 3 * 8 + 4
    const made = numbers(output, 'edits made')
    const kept = numbers(output, 'edits kept')
    const lost = numbers(output, 'edits lost')
    expect(made).toEqual([planned, planned])
    expect(kept.map((count, index) => count + (lost[index] ?? NaN))).toEqual(made)
    expect(lost.at(1)).toBe(0)
    expect(numbers(output, 'original lines lost').at(1)).toBe(0)

    // Every edit had one lock, and so had the one that was cut off.
    expect(numbers(output, 'locks granted')).toEqual([planned + 1])
    expect(numbers(output, 'handed over in line')[0]).toBeLessThanOrEqual(planned)
    expect(output).toMatch(/agent-4 is killed while it holds the lock/)
  })

  test('sees by its counting what is lost without locks', async () => {
    const { code, output } = await end(start('--agents', '4', '--edits', '20', '--without-locks-only'))
    expect(code).toBe(1)
    expect(output).toMatch(/ 70 edits made, and [1-9]\d* of them are lost/)
    expect(output).toMatch(/lost: edit \d+ of agent-[1-4] in src\//)
  })

  test('writes no escape codes where there is no terminal, and leaves nothing behind', async () => {
    const { output } = await end(start('--agents', '2', '--edits', '2'))
    expect(output).not.toContain('\u001B')
    expect(output).toContain('Summary')
    expect(await readdir(temporary)).toEqual([])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('ends at once with %s, and leaves nothing behind', async (signal) => {
    const demo = start('--edits', '1000')
    await once(demo, 'spawn')
    await saying(demo, /edits made/)
    demo.kill(signal)
    const ended = await end(demo)
    expect(ended).toMatchObject({ code: null, signal, complaints: '' })
    expect(await readdir(temporary)).toEqual([])
  })

  test('refuses what it does not understand', async () => {
    const { code, complaints } = await end(start('--agents', '1'))
    expect(code).toBe(2)
    expect(complaints).toMatch(/--agents: '1' is not a whole number from 2 to 12\./)
  })
})

describe('the counting of the demo', () => {
  const original = { path: 'a.ts', text: 'one\ntwo\ntwo\n' }
  const other = { path: 'b.ts', text: 'three\n' }
  const first = { agentId: 'agent-1', number: 1, files: ['a.ts'] }
  const both = { agentId: 'agent-2', number: 7, files: ['a.ts', 'b.ts'] }
  const count = (a: readonly string[], b: readonly string[]): ReturnType<typeof compare> =>
    compare(
      [original, other],
      new Map([
        ['a.ts', a.join('\n')],
        ['b.ts', b.join('\n')],
      ]),
      [first, both],
    )

  const good = ['one', markerOf(first), 'two', 'two', markerOf(both), '']
  const goodOther = [markerOf(both), 'three', '']

  test('finds everything that is there', () => {
    expect(count(good, goodOther)).toEqual({ lost: [], unreported: 0, broken: [], linesLost: 0 })
  })

  test('misses an edit that is gone from one of its files', () => {
    expect(count(good, ['three', '']).lost).toEqual([both])
    expect(count(['one', 'two', 'two', markerOf(both), ''], goodOther).lost).toEqual([first])
  })

  test('does not take an edit for kept that is there twice', () => {
    expect(count([markerOf(first), ...good], goodOther).lost).toEqual([first])
  })

  test('misses original lines that are gone, also one of two equal ones', () => {
    const damaged = count(['one', markerOf(first), 'two', markerOf(both), ''], goodOther)
    expect(damaged).toMatchObject({ lost: [], broken: ['a.ts'], linesLost: 1 })
  })

  test('sees original lines out of order', () => {
    const damaged = count(['two', markerOf(first), 'one', 'two', markerOf(both), ''], goodOther)
    expect(damaged).toMatchObject({ lost: [], broken: ['a.ts'], linesLost: 0 })
  })

  test('knows edits that nobody has reported', () => {
    const unreported = markerOf({ agentId: 'agent-2', number: 8 })
    expect(count(good, [unreported, ...goodOther])).toMatchObject({ unreported: 1, lost: [], broken: [] })
  })
})

interface Demo extends ChildProcess {
  output: string
  complaints: string
}

interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly complaints: string
}

function start(...args: readonly string[]): Demo {
  const env = { ...process.env, TMPDIR: temporary, FORCE_COLOR: undefined, NO_COLOR: undefined }
  const child = spawn(process.execPath, [join(root, 'examples/demo/main.ts'), ...args], { env })
  const demo: Demo = Object.assign(child, { output: '', complaints: '' })
  child.stdout.setEncoding('utf8').on('data', (text: string) => (demo.output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (demo.complaints += text))
  return demo
}

async function saying(demo: Demo, words: RegExp): Promise<void> {
  while (!words.test(demo.output)) await once(demo.stdout ?? demo, 'data')
}

async function end(demo: Demo): Promise<End> {
  const [code, signal] = (await once(demo, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, output: demo.output, complaints: demo.complaints }
}

/** The numbers of a row of the summary. */
function numbers(output: string, label: string): readonly number[] {
  const row = output.split('\n').find((line) => line.trim().startsWith(label))
  // A share in brackets is not a number of its own.
  const cells =
    row
      ?.trim()
      .slice(label.length)
      .replaceAll(/\(.*?\)/g, '') ?? ''
  return [...cells.matchAll(/\d+/g)].map(([digits]) => Number(digits))
}
