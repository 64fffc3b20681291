import { spawn } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliWorkshop, main } from '../support/cli-workshop.ts'

let shop: CliWorkshop

beforeEach(() => {
  shop = new CliWorkshop()
})

afterEach(() => shop[Symbol.asyncDispose]())

/** What `unlock` shows on a terminal, made by script(1), where `keys` are typed when it asks; and how it ends. */
async function unlockAnd(keys: string): Promise<{ readonly code: number | null; readonly shown: string }> {
  const line = `'${process.execPath}' '${main}' unlock port:1 --force --reason test --agent admin`
  const child = spawn('/usr/bin/script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], {
    cwd: shop.tree,
    env: { ...shop.env, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let shown = ''
  let isTyped = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
    if (isTyped || !shown.includes('[y/N]')) return
    isTyped = true
    child.stdin.write(keys)
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, shown }
}

describe('unlock on a terminal', () => {
  test.each([
    ['y\r', 0, 0],
    ['yes\r', 0, 0],
    ['\r', 1, 1],
    ['n\r', 1, 1],
    ['\u0004', 1, 1],
    ['\u0003', 130, 1],
  ])('asks, and with %j ends with %i and leaves %i locks', async (keys, expected, left) => {
    await shop.run(['acquire', 'port:1'])
    const { code, shown } = await unlockAnd(keys)
    expect(shown).toContain('held by tester')
    expect(code).toBe(expected)
    expect(await shop.json(['ls'])).toHaveLength(left)
  })
})
