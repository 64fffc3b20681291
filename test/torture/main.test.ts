import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../support/polling.ts'
import { temporaryFolder } from '../support/processes.ts'
import { root } from '../support/repository.ts'

const DEADLINE_MS = 120_000

const started: ChildProcess[] = []

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** `npm run torture`, with a place of its own for its files. */
class Torture {
  readonly folder: string = temporaryFolder()
  readonly #child: ChildProcess
  output = ''
  errors = ''

  constructor(...args: string[]) {
    const script = join(root, 'test/torture')
    const command = ['--import', join(script, 'standalone.ts'), join(script, 'main.ts'), ...args]
    this.#child = spawn(process.execPath, command, { cwd: root, env: { ...process.env, TMPDIR: this.folder } })
    started.push(this.#child)
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()))
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  async end(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, 'close')
    return this.#child.exitCode
  }
}

describe('npm run torture', () => {
  test('explains itself', async () => {
    const run = new Torture('--help')
    expect(await run.end()).toBe(0)
    expect(run.output).toMatch(/^Usage: npm run torture/u)
  })

  test('refuses what it does not understand, and says what it would', async () => {
    const run = new Torture('--store', 'sqlite', '--faults', 'flood')
    expect(await run.end()).toBe(2)
    expect(run.errors).toContain(`'flood' is not one of`)
  })

  test('refuses a fault that the store does not know, and leaves nothing behind', async () => {
    const run = new Torture('--store', 'sqlite', '--faults', 'flush')
    expect(await run.end()).toBe(2)
    expect(run.errors).toContain('sqlite knows no fault flush: known are kill, pause, busy, torn')
    expect(readdirSync(run.folder)).toEqual([])
  })

  test(
    'judges what has happened when it is interrupted, and leaves nothing behind but its report',
    async () => {
      const report = join(temporaryFolder(), 'report.md')
      const args = ['--store', 'sqlite', '--faults', 'kill,torn', '--minutes', '10', '--seed', '5', '--report', report]
      const run = new Torture(...args)
      await until('a fault has struck', () => run.output.includes('next grants after'), DEADLINE_MS)
      run.interrupt()
      expect(await run.end()).toBe(0)
      const text = readFileSync(report, 'utf8')
      expect(run.output).toContain(text)
      expect(text).toContain('**Nothing was wrong.**')
      expect(text).toMatch(/\| Ran \| \d+ s, then it was interrupted \|/u)
      expect(text).toContain('| Seed | 5 |')
      expect(readdirSync(run.folder)).toEqual([])
    },
    DEADLINE_MS,
  )
})
