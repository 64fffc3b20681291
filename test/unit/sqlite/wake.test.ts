import { spawnSync, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { removeLeftovers, touchWake, watchWake, type WakeWatch } from '../../../src/stores/sqlite/wake.ts'
import type { WakeCommand } from './wake-process.ts'

const PROGRAM = join(import.meta.dirname, 'wake-process.ts')
const NODE_OPTIONS = ['--experimental-strip-types', '--no-warnings']
/** Makes `fs.watch` refuse, as it does when a user has used up what the system allows. */
const REFUSE_WATCHES = `data:text/javascript,${encodeURIComponent(
  `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
   fs.watch = () => { throw Object.assign(new Error('EMFILE: too many open files, watch'), { code: 'EMFILE' }) };
   syncBuiltinESMExports();`,
)}`

let directory = ''
const processes: ChildProcess[] = []
const watches: WakeWatch[] = []

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'holdfast-wake-')), 'locks.db-wake')
})

afterEach(() => {
  for (const watch of watches.splice(0)) watch.close()
  for (const child of processes.splice(0)) child.kill()
  rmSync(join(directory, '..'), { recursive: true, force: true })
})

function watchHere(name: string, onWake: () => void): WakeWatch {
  const watch = watchWake(directory, name, onWake)
  watches.push(watch)
  return watch
}

async function startProcess(...options: string[]): Promise<ChildProcess> {
  const child = fork(PROGRAM, { execArgv: [...NODE_OPTIONS, ...options] })
  processes.push(child)
  await once(child, 'message')
  return child
}

/** Sends a command and waits for its answer, past any wake-ups that come before it. */
async function tell(child: ChildProcess, command: WakeCommand): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const listen = (message: unknown): void => {
    if (typeof message !== 'object' || message === null || !('answer' in message)) return
    child.off('message', listen)
    resolve(message.answer)
  }
  child.on('message', listen)
  child.send(command)
  return promise
}

function woken(child: ChildProcess): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  child.on('message', (message) => {
    if (message === 'woken') resolve()
  })
  return promise
}

describe('a touch', () => {
  test('by another process wakes the owner of the file, and only it', async () => {
    const [mine, other] = [vi.fn<() => void>(), vi.fn<() => void>()]
    expect(watchHere('mine', mine).mode).toBe('watch')
    watchHere('other', other)
    const child = await startProcess()
    expect(await tell(child, { do: 'touch', directory, names: ['mine'] })).toEqual([true])
    await expect.poll(() => mine.mock.calls.length).toBeGreaterThan(0)
    expect(other).not.toHaveBeenCalled()
  })

  test('wakes another process', async () => {
    const child = await startProcess()
    await tell(child, { do: 'watch', directory, name: 'theirs' })
    const wake = woken(child)
    expect(touchWake(directory, 'theirs')).toBe(true)
    await wake
  })

  test('may come together with others, but after the last one there is always a wake-up', async () => {
    const counter = join(directory, '..', 'counter')
    writeFileSync(counter, '')
    let seen = 0
    watchHere('mine', () => {
      seen = statSync(counter).size
    })
    const child = await startProcess()
    for (let to = 1; to <= 200; to += 1 + (to % 5)) {
      rmSync(counter)
      writeFileSync(counter, '')
      await tell(child, { do: 'touchMany', directory, name: 'mine', counter: { path: counter, to } })
      await expect.poll(() => seen, { interval: 1 }).toBe(to)
    }
  })

  test('tells when nobody waits, and never throws', async () => {
    expect(touchWake(directory, 'nobody')).toBe(false)
    const watch = watchHere('mine', () => {})
    expect(touchWake(directory, 'mine')).toBe(true)
    watch.close()
    expect(touchWake(directory, 'mine')).toBe(false)
    expect(touchWake(`${directory}\0`, 'mine')).toBe(false)
  })
})

describe('a watch', () => {
  test('is not woken any more once it is closed, and leaves no file', async () => {
    const onWake = vi.fn<() => void>()
    const watch = watchHere('mine', onWake)
    touchWake(directory, 'mine')
    watch.close()
    watch.close()
    const child = await startProcess()
    expect(await tell(child, { do: 'touch', directory, names: ['mine'] })).toEqual([false])
    expect(onWake).not.toHaveBeenCalled()
    expect(readdirSync(directory)).toEqual([])
  })

  test.each<[string, (path: string) => void]>([
    ['its file is removed', (path) => rmSync(path)],
    ['its folder is removed', (path) => rmSync(join(path, '..'), { recursive: true })],
    ['its folder is moved away', (path) => renameSync(join(path, '..'), join(path, '..', '..', 'elsewhere'))],
    [
      'its file is replaced',
      (path) => {
        writeFileSync(`${path}.new`, '')
        renameSync(`${path}.new`, path)
      },
    ],
  ])('goes on when %s', async (_, damage) => {
    const onWake = vi.fn<() => void>()
    watchHere('mine', onWake)
    damage(join(directory, 'mine'))
    // A touch may have been lost with the file, so the owner is told to look.
    await expect.poll(() => onWake.mock.calls.length, { timeout: 5_000 }).toBeGreaterThan(0)
    await expect.poll(() => existsSync(join(directory, 'mine')), { timeout: 5_000 }).toBe(true)
    const before = onWake.mock.calls.length
    await expect.poll(() => touchWake(directory, 'mine')).toBe(true)
    await expect.poll(() => onWake.mock.calls.length).toBeGreaterThan(before)
  })

  test('takes over a file that was left behind', async () => {
    mkdirSync(directory)
    writeFileSync(join(directory, 'mine'), '')
    const onWake = vi.fn<() => void>()
    watchHere('mine', onWake)
    touchWake(directory, 'mine')
    await expect.poll(() => onWake.mock.calls.length).toBeGreaterThan(0)
  })

  test('does not keep its process alive', () => {
    const { status } = spawnSync(process.execPath, [...NODE_OPTIONS, PROGRAM, 'watch-and-end', directory, 'mine'], {
      timeout: 10_000,
    })
    expect(status).toBe(0)
  })

  test('fails where the file cannot be made', () => {
    writeFileSync(directory, 'a file where the folder should be')
    expect(() => watchHere('mine', () => {})).toThrow(/EEXIST|ENOTDIR/)
  })

  test('polls where the system refuses to watch', async () => {
    const child = await startProcess('--import', REFUSE_WATCHES)
    expect(await tell(child, { do: 'watch', directory, name: 'theirs' })).toBe('poll')
    const wake = woken(child)
    touchWake(directory, 'theirs')
    await wake
    const wakeAfterRemoval = woken(child)
    rmSync(join(directory, 'theirs'))
    await wakeAfterRemoval
    await expect.poll(() => touchWake(directory, 'theirs')).toBe(true)
  })
})

describe('what dead sessions left', () => {
  test('is removed, and what the living own stays', () => {
    expect(removeLeftovers(directory, () => false)).toEqual([])
    watchHere('living', () => {})
    writeFileSync(join(directory, 'dead'), '')
    mkdirSync(join(directory, 'folder'))
    expect(removeLeftovers(directory, (name) => name === 'living')).toEqual(['dead'])
    expect(readdirSync(directory).toSorted()).toEqual(['folder', 'living'])
  })
})
