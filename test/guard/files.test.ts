import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { fileFence, guardedUpdateFile, guardedWriteFile, resetFileFence } from '../../src/guard/index.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { temporaryFolder } from '../support/processes.ts'
import { StepProcess } from './step-process.ts'

const [EARLY, LATE] = [{ fencingToken: 1_763_918_231_000_006 }, { fencingToken: 1_763_918_231_000_007 }]

const isRoot = process.getuid?.() === 0

let folder: string
let path: string
beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'notes.txt')
})

const content = (): string => readFileSync(path, 'utf8')
/** What lies beside the file, other than its fence. */
const others = (): readonly string[] =>
  readdirSync(dirname(path)).filter((name) => name !== basename(path) && name !== `.${basename(path)}.fence`)

describe('guardedUpdateFile', () => {
  test('works under a lock, creates the file, and returns what it wrote', async () => {
    await using locks = new ResourceLockManager({ store: memoryStore(), metrics: false })
    const lock = await locks.acquire('file:notes.txt', { agentId: 'a' })
    expect(await guardedUpdateFile(lock, path, (text) => `${text}`)).toBe('null')
    expect(await guardedUpdateFile(lock, path, async (text) => `${text}, then this`)).toBe('null, then this')
    expect(content()).toBe('null, then this')
    expect(await fileFence(path)).toBe(lock.fencingToken)
    expect(others()).toEqual([])
  })

  test('refuses a lower token before it reads, and names what was refused', async () => {
    await guardedUpdateFile(LATE, path, () => 'late')
    const read: unknown[] = []
    const resources = [{ resourceId: 'file:notes.txt', mode: 'exclusive', scope: 'node' }] as const
    const refused = guardedUpdateFile({ ...EARLY, resources }, path, (text) => `${read.push(text)}`)
    await expect(refused).rejects.toMatchObject({ code: 'FENCED_OUT', resources })
    await expect(refused).rejects.toThrow(new RegExp(`notes\\.txt.*${LATE.fencingToken}.*${EARLY.fencingToken}`))
    expect(read).toEqual([])
    expect(content()).toBe('late')
  })

  test('lets no lower token write once it has entered, even if it writes nothing itself', async () => {
    writeFileSync(path, 'old')
    const failure = new Error('changed its mind')
    const early = guardedUpdateFile(EARLY, path, async () => {
      const late = guardedUpdateFile(LATE, path, () => Promise.reject(failure))
      await expect(late).rejects.toBe(failure)
      return 'early'
    })
    await expect(early).rejects.toMatchObject({ code: 'FENCED_OUT' })
    expect(content()).toBe('old')
    expect(others()).toEqual([])
  })

  test('keeps one lock from overlapping with itself', async () => {
    const first = guardedUpdateFile(EARLY, path, async () => {
      await expect(guardedUpdateFile(EARLY, path, () => 'second')).rejects.toMatchObject({ code: 'BUSY' })
      return 'first'
    })
    await first
    expect(content()).toBe('first')
    expect(await guardedUpdateFile(EARLY, path, (text) => `${text}, second`)).toBe('first, second')
  })

  test('writes nothing if its callback fails, forgets to return, or the content is no text', async () => {
    writeFileSync(path, Buffer.from([0xff, 0xfe]))
    const failure = new Error('no')
    const failing = guardedUpdateFile(EARLY, path, () => Promise.reject(failure), { encoding: null })
    await expect(failing).rejects.toBe(failure)
    await expect(guardedUpdateFile(EARLY, path, () => 'x')).rejects.toMatchObject({ code: 'INVALID' })
    const nothing = (): string => undefined as unknown as string
    await expect(guardedWriteFile(EARLY, path, nothing())).rejects.toMatchObject({ code: 'INVALID' })
    await expect(guardedUpdateFile(EARLY, path, nothing, { encoding: null })).rejects.toThrow(/give a string or bytes/)
    expect([...readFileSync(path)]).toEqual([0xff, 0xfe])
    expect(readdirSync(join(folder, '.notes.txt.fence'))).toEqual([String(EARLY.fencingToken)])
  })

  test('gives and takes bytes, and keeps a byte order mark', async () => {
    await guardedWriteFile(EARLY, path, Buffer.from([1, 0xff]))
    await guardedUpdateFile(EARLY, path, (bytes) => Buffer.concat([bytes ?? Buffer.of(), Buffer.of(3)]), {
      encoding: null,
    })
    expect([...readFileSync(path)]).toEqual([1, 0xff, 3])
    await guardedWriteFile(EARLY, path, '\uFEFFa')
    expect(await guardedUpdateFile(EARLY, path, (text) => `${text}b`)).toBe('\uFEFFab')
  })

  test('keeps the mode, also one that the umask forbids', async () => {
    writeFileSync(path, '')
    for (const mode of [0o600, 0o444, 0o6751, 0o666]) {
      chmodSync(path, mode)
      await guardedUpdateFile(EARLY, path, (text) => `${text}x`)
      expect(statSync(path).mode & 0o7777).toBe(mode)
    }
    expect(content()).toBe('xxxx')
  })

  test('gives a new file the mode that was asked for', async () => {
    await guardedWriteFile(EARLY, path, 'secret', { mode: 0o600 })
    expect(statSync(path).mode & 0o7777).toBe(0o600)
  })

  test('keeps the owner and the group, unless it is told not to', async () => {
    writeFileSync(path, '')
    const { uid, gid } = statSync(path)
    const kept = isRoot ? { uid: 1234, gid: 2345 } : { uid, gid: process.getgroups?.().at(-1) ?? gid }
    chownSync(path, kept.uid, kept.gid)
    await guardedWriteFile(EARLY, path, 'x')
    expect(statSync(path)).toMatchObject(kept)
    await guardedWriteFile(EARLY, path, 'x', { keepOwner: false })
    expect(statSync(path)).toMatchObject({ uid, gid })
  })

  test('fails where the owner cannot be kept', async () => {
    writeFileSync(path, 'theirs')
    chmodSync(folder, 0o777)
    // Only root can have a file of somebody else in a folder of its own.
    if (!isRoot) return expect(() => chownSync(path, 1234, 2345)).toThrow(/EPERM/)
    const { outcome } = await new StepProcess(path, 7, 'mine', 'none', 0, 65_534).updated()
    expect(outcome).toBe('INVALID')
    expect(content()).toBe('theirs')
  })

  test('follows symbolic links, leaves them, and guards the file behind them under all its names', async () => {
    mkdirSync(join(folder, 'real'))
    symlinkSync('real', join(folder, 'to-folder'))
    symlinkSync('to-folder/data.txt', join(folder, 'to-file'))
    await guardedWriteFile(LATE, join(folder, 'to-file'), 'x')
    expect(readlinkSync(join(folder, 'to-file'))).toBe('to-folder/data.txt')
    expect(readFileSync(join(folder, 'real/data.txt'), 'utf8')).toBe('x')
    expect(lstatSync(join(folder, 'real/data.txt')).isFile()).toBe(true)
    const names = ['real/data.txt', 'to-folder/data.txt', 'to-file']
    for (const name of names) {
      await expect(guardedWriteFile(EARLY, join(folder, name), 'y')).rejects.toMatchObject({ code: 'FENCED_OUT' })
    }
    expect(readdirSync(folder).toSorted()).toEqual(['real', 'to-file', 'to-folder'])
  })

  test('leaves other hard links with the old content', async () => {
    writeFileSync(path, 'old')
    linkSync(path, join(folder, 'other'))
    await guardedWriteFile(EARLY, path, 'new')
    expect([content(), readFileSync(join(folder, 'other'), 'utf8')]).toEqual(['new', 'old'])
  })

  test('refuses what is no file, no lock, no path and no option', async () => {
    mkdirSync(path)
    await expect(guardedWriteFile(EARLY, path, 'x')).rejects.toThrow(/is not a regular file/)
    await expect(guardedUpdateFile(EARLY, path, () => 'x')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(guardedWriteFile(EARLY, join(folder, 'none/a'), 'x')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(guardedWriteFile({ ...EARLY, mode: 'shared' }, path, 'x')).rejects.toThrow(/shared lock/)
    for (const fencingToken of [0, -1, 1.5, Number.NaN, 2 ** 53, '7' as unknown as number]) {
      await expect(guardedWriteFile({ fencingToken }, path, 'x')).rejects.toThrow(/is not a fencing token/)
    }
    await expect(guardedWriteFile(EARLY, '', 'x')).rejects.toThrow(/is not a path/)
    await expect(guardedWriteFile(EARLY, path, 'x', { modes: 1 } as object)).rejects.toThrow(/'modes' is not an option/)
  })

  test('may be used by whoever may create files in the folder', async () => {
    chmodSync(folder, 0o2777)
    await guardedWriteFile(EARLY, path, 'x')
    expect(statSync(join(folder, '.notes.txt.fence')).mode & 0o7777).toBe(0o2777)
  })
})

describe('the fence of a file', () => {
  test('can be looked at, also where there is none', async () => {
    expect(await fileFence(path)).toBe(0)
    await guardedWriteFile(LATE, path, 'x')
    expect(await fileFence(path)).toBe(LATE.fencingToken)
  })

  test('that has gone beyond all clocks can be set back by an administrator', async () => {
    await guardedWriteFile({ fencingToken: Number.MAX_SAFE_INTEGER }, path, 'beyond')
    await expect(guardedWriteFile(LATE, path, 'x')).rejects.toMatchObject({ code: 'FENCED_OUT' })
    expect(await resetFileFence(path, LATE.fencingToken)).toBe(Number.MAX_SAFE_INTEGER)
    await expect(guardedWriteFile(EARLY, path, 'x')).rejects.toMatchObject({ code: 'FENCED_OUT' })
    await guardedWriteFile(LATE, path, 'x')
    expect(await resetFileFence(path)).toBe(LATE.fencingToken)
    expect(await fileFence(path)).toBe(0)
    expect(existsSync(path)).toBe(true)
  })

  test('calls off the updates under way when it is set back', async () => {
    const update = guardedUpdateFile(LATE, path, async () => {
      await resetFileFence(path)
      return 'x'
    })
    await expect(update).rejects.toThrow(/was reset, or lost its data/)
    expect(existsSync(path)).toBe(false)
  })
})
