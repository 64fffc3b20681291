import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fileTarget } from '../../src/core/patterns/file-target.ts'
import { optimisticUpdate } from '../../src/core/patterns/optimistic.ts'

const run = promisify(execFile)

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-file-target-'))
  path = join(folder, 'a.txt')
})
afterEach(() => rm(folder, { recursive: true }))

const text = (): string => readFileSync(path, 'utf8')

describe('a file as a target', () => {
  test('reads its text, and a version that follows from its content alone', async () => {
    writeFileSync(path, 'one')
    const first = await fileTarget(path).read()
    expect(first.value).toBe('one')
    writeFileSync(path, 'two')
    expect((await fileTarget(path).read()).version).not.toBe(first.version)
    writeFileSync(path, 'one')
    expect(await fileTarget(path).read()).toEqual(first)
  })

  test('reads as null where it is missing, which an empty file is not', async () => {
    expect(await fileTarget(path).read()).toEqual({ value: null, version: null })
    writeFileSync(path, '')
    expect(await fileTarget(path).read()).toEqual({ value: '', version: expect.any(String) as unknown })
  })

  test('keeps every byte of its text, a byte order mark and line ends included', async () => {
    writeFileSync(path, '\uFEFFa\r\nб🦊\n')
    await optimisticUpdate(fileTarget(path), (value) => `${value}!`)
    expect(readFileSync(path)).toEqual(Buffer.from('\uFEFFa\r\nб🦊\n!'))
  })

  test('is written where its version still stands', async () => {
    writeFileSync(path, 'one')
    const target = fileTarget(path)
    const { version } = await target.read()
    expect(await target.writeIf(version, 'two')).toBe(true)
    expect(text()).toBe('two')
    expect(readdirSync(folder)).toEqual(['a.txt'])
  })

  test('is left alone where somebody wrote, made or removed it in between', async () => {
    writeFileSync(path, 'one')
    const target = fileTarget(path)
    const { version } = await target.read()
    writeFileSync(path, 'other')
    expect(await target.writeIf(version, 'two')).toBe(false)
    expect(await target.writeIf(null, 'two')).toBe(false)
    expect(text()).toBe('other')
    await rm(path)
    expect(await target.writeIf(version, 'two')).toBe(false)
    expect(readdirSync(folder)).toEqual([])
  })

  test('is made where it was missing', async () => {
    expect(await fileTarget(path).writeIf(null, 'new')).toBe(true)
    expect(text()).toBe('new')
    expect(readdirSync(folder)).toEqual(['a.txt'])
  })

  test('keeps its mode', async () => {
    for (const mode of [0o600, 0o755, 0o666]) {
      writeFileSync(path, 'one')
      const { chmodSync } = await import('node:fs')
      chmodSync(path, mode)
      await optimisticUpdate(fileTarget(path), () => 'two')
      expect(statSync(path).mode & 0o777).toBe(mode)
    }
  })

  test('is written through symbolic links, which stay; through one to nothing as well', async () => {
    const link = join(folder, 'link')
    symlinkSync('a.txt', link)
    expect(await optimisticUpdate(fileTarget(link), (value) => `made after ${value}`)).toBe('made after null')
    expect(text()).toBe('made after null')
    await optimisticUpdate(fileTarget(link), () => 'two')
    expect(text()).toBe('two')
    expect(readdirSync(folder).toSorted()).toEqual(['a.txt', 'link'])
  })

  test('is refused where it is no UTF-8 text, or is to become none', async () => {
    writeFileSync(path, Buffer.from([0xff, 0xfe]))
    await expect(fileTarget(path).read()).rejects.toMatchObject({ code: 'INVALID' })
    await expect(fileTarget(path).writeIf(null, 7 as unknown as string)).rejects.toMatchObject({ code: 'INVALID' })
  })

  test("fails with the file system's own error where that refuses", async () => {
    await expect(fileTarget(folder).read()).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(fileTarget(join(folder, 'none', 'a')).writeIf(null, 'x')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('a side file', () => {
  const side = (): string => join(folder, '.a.txt.holdfast-write')

  test('of somebody who is writing now is a conflict, and is left alone', async () => {
    writeFileSync(side(), 'theirs')
    expect(await fileTarget(path).writeIf(null, 'mine')).toBe(false)
    expect(readFileSync(side(), 'utf8')).toBe('theirs')
    expect(existsSync(path)).toBe(false)
  })

  test('that has been there for ten seconds is named as a leftover, and is left alone', async () => {
    writeFileSync(side(), 'theirs')
    const longAgo = Date.now() / 1_000 - 11
    utimesSync(side(), longAgo, longAgo)
    const written = optimisticUpdate(fileTarget(path), () => 'mine')
    await expect(written).rejects.toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining('delete that file') as unknown,
    })
    await expect(written).rejects.toThrow(side())
    expect(readFileSync(side(), 'utf8')).toBe('theirs')
  })
})

test('nothing is lost where many tasks of several processes count in one file', { timeout: 60_000 }, async () => {
  const moduleUrl = (name: string): string => JSON.stringify(new URL(`../../src/core/${name}`, import.meta.url).href)
  const script = `
    const { fileTarget } = await import(${moduleUrl('patterns/file-target.ts')})
    const { optimisticUpdate } = await import(${moduleUrl('patterns/optimistic.ts')})
    const { exponential } = await import(${moduleUrl('time/backoff.ts')})
    const options = { attempts: 10_000, backoff: exponential({ base: '1ms', max: '20ms' }) }
    const add = () => optimisticUpdate(fileTarget(process.argv[1]), (value) => String(Number(value ?? 0) + 1), options)
    const work = async () => { for (let i = 0; i < 10; i++) await add() }
    await Promise.all(Array.from({ length: 4 }, work))`
  const worker = (): Promise<unknown> => run(process.execPath, ['--input-type=module', '--eval', script, path])
  await Promise.all(Array.from({ length: 4 }, worker))
  expect(text()).toBe('160')
  expect(readdirSync(folder)).toEqual(['a.txt'])
})
