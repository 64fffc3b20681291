import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { fileFence, guardedUpdateFile } from '../../src/guard/index.ts'
import { temporaryFolder } from '../support/processes.ts'
import { type Mishap, StepProcess } from './step-process.ts'

/** Tokens of an early holder, and of one after it. */
const [EARLY, LATE] = [1_000, 2_000]

let path: string
beforeEach(() => {
  path = join(temporaryFolder(), 'notes.txt')
})

function fresh(): void {
  rmSync(join(path, '../.notes.txt.fence'), { recursive: true, force: true })
  writeFileSync(path, '-')
}

const content = (): string => readFileSync(path, 'utf8')
const append = (token: number, word: string, meanwhile?: () => Promise<void>): Promise<string> =>
  guardedUpdateFile({ fencingToken: token }, path, async (text) => {
    await meanwhile?.()
    return `${text ?? ''}${word}`
  })

/** The calls that an update makes of the file system, by their names. */
async function stepsOfUpdate(): Promise<readonly string[]> {
  fresh()
  const { outcome, steps } = await new StepProcess(path, EARLY, 'a').updated()
  expect(outcome).toBe('written')
  return steps
}

/** An early holder that stands still, or dies, before a step. */
function early(mishap: Mishap, before: number): StepProcess {
  fresh()
  return new StepProcess(path, EARLY, 'a', mishap, before)
}

test('an update has its token and its content on the disk before it is published, and its name after', async () => {
  const steps = (await stepsOfUpdate()).join(' ')
  expect(steps).toMatch(/readdir .*\bsync readFile .*writeFile sync rename open sync$/)
})

describe('a process that stands still before any step of an update', { timeout: 120_000 }, () => {
  test('is refused after a later holder has written, or had written itself before that one read', async () => {
    const steps = await stepsOfUpdate()
    const published = steps.indexOf('rename') + 1
    expect(published).toBeGreaterThan(10)
    for (let before = 1; before <= steps.length; before += 1) {
      const halted = early('SIGSTOP', before)
      await halted.stopped()
      await append(LATE, 'b')
      const { outcome } = await halted.goOn()
      const where = `before step ${before}, ${steps[before - 1]}`
      expect({ where, outcome, content: content() }).toEqual(
        before <= published
          ? { where, outcome: 'FENCED_OUT', content: '-b' }
          : { where, outcome: 'written', content: '-ab' },
      )
    }
  })

  test('is refused while a later holder has read and not yet written', async () => {
    const steps = await stepsOfUpdate()
    const published = steps.indexOf('rename') + 1
    for (let before = 1; before <= published; before += 1) {
      const halted = early('SIGSTOP', before)
      await halted.stopped()
      const outcomes: string[] = []
      await append(LATE, 'b', async () => void outcomes.push((await halted.goOn()).outcome))
      expect({ before, outcomes, content: content() }).toEqual({ before, outcomes: ['FENCED_OUT'], content: '-b' })
    }
  })

  test('keeps nobody from going on, though there are two of them', async () => {
    const steps = await stepsOfUpdate()
    const published = steps.indexOf('rename') + 1
    for (let before = 2; before <= published; before += 3) {
      const first = early('SIGSTOP', before)
      await first.stopped()
      const second = new StepProcess(path, EARLY + 1, 'x', 'SIGSTOP', 1 + (before % 6))
      await second.stopped()
      await append(LATE, 'b')
      const outcomes = await Promise.all([first.goOn(), second.goOn()])
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['FENCED_OUT', 'FENCED_OUT'])
      expect(content()).toBe('-b')
      expect(await fileFence(path)).toBe(LATE)
    }
  })
})

describe('a process that is killed at any step of an update', { timeout: 120_000 }, () => {
  test('leaves the old content or the new, and the next holder goes on and tidies up', async () => {
    const steps = await stepsOfUpdate()
    const published = steps.indexOf('rename') + 1
    for (let before = 1; before <= steps.length; before += 1) {
      await early('SIGKILL', before).died()
      expect({ before, content: content() }).toEqual({ before, content: before <= published ? '-' : '-a' })
      const left = content()
      await append(LATE, 'b')
      expect(content()).toBe(`${left}b`)
      expect(readdirSync(join(path, '..')).toSorted()).toEqual(['.notes.txt.fence', 'notes.txt'])
      expect(readdirSync(join(path, '../.notes.txt.fence'))).toEqual([String(LATE)])
    }
  })

  test('leaves the old content when half of the new one is written', async () => {
    const steps = await stepsOfUpdate()
    const writing = steps.lastIndexOf('writeFile') + 1
    await early('half', writing).died()
    const ticket = join(path, `../.notes.txt.fence/${EARLY}.new`)
    expect(readFileSync(ticket, 'utf8')).toBe('-')
    expect(content()).toBe('-')
    await append(LATE, 'b')
    expect(content()).toBe('-b')
    expect(existsSync(ticket)).toBe(false)
  })

  test('leaves no file where there was none, before the last step', async () => {
    fresh()
    rmSync(path)
    const { steps } = await new StepProcess(path, EARLY, 'a').updated()
    fresh()
    rmSync(path)
    await new StepProcess(path, EARLY, 'a', 'SIGKILL', steps.indexOf('rename') + 1).died()
    expect(existsSync(path)).toBe(false)
    await append(LATE, 'b')
    expect(content()).toBe('b')
  })

  test('does not keep out a process that goes on under the same token, once it is told what is in the way', async () => {
    const steps = await stepsOfUpdate()
    await early('SIGKILL', steps.indexOf('rename') + 1).died()
    const ticket = join(path, `../.notes.txt.fence/${EARLY}.new`)
    await expect(append(EARLY, 'b')).rejects.toMatchObject({ code: 'BUSY', message: expect.stringContaining(ticket) })
    rmSync(ticket)
    await append(EARLY, 'b')
    expect(content()).toBe('-b')
  })
})
