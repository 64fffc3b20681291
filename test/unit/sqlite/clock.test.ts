import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  monotonicMs,
  parseMonotonicOffset,
  parseRegistryDword,
  parseUuid,
  readClockIdentity,
  type ClockSources,
} from '../../../src/stores/sqlite/clock.ts'

const CLOCK_MODULE = new URL('../../../src/stores/sqlite/clock.ts', import.meta.url).href
const TIME_NAMESPACE = ['unshare', '--fork', '--user', '--map-root-user', '--time']
const NODE_OPTIONS = ['--experimental-strip-types', '--no-warnings', '--input-type=module', '--eval']

/** A container that may make no namespaces has no second clock to tell from the first. */
const TIME_OFFSETS = canEnterTimeNamespaces() ? [0, 5000] : []

function canEnterTimeNamespaces(): boolean {
  const [unshare = '', ...options] = TIME_NAMESPACE
  return spawnSync(unshare, [...options, 'true'], { stdio: 'ignore' }).status === 0
}

function inAnotherProcess(expression: string, prefix: readonly string[] = []): unknown {
  const program = `import * as clock from ${JSON.stringify(CLOCK_MODULE)}; console.log(JSON.stringify(${expression}))`
  const [file, ...options] = [...prefix, process.execPath]
  return JSON.parse(execFileSync(file, [...options, ...NODE_OPTIONS, program], { encoding: 'utf8' }))
}

function sources(platform: NodeJS.Platform, answers: Readonly<Record<string, string | Error>>): ClockSources {
  const answer = (question: string): string => {
    const text = answers[question] ?? Object.assign(new Error(`ENOENT: ${question}`), { code: 'ENOENT' })
    if (text instanceof Error) throw text
    return text
  }
  return { platform, readText: answer, runProgram: (file, args) => answer([file, ...args].join(' ')), env: {} }
}

describe('the monotonic clock', () => {
  test('is the same in all processes of the machine', () => {
    const before = monotonicMs()
    const there = inAnotherProcess('clock.monotonicMs()')
    expect(there).toBeGreaterThan(before)
    expect(there).toBeLessThan(monotonicMs())
  })

  test('never goes back and has fractions of a millisecond', () => {
    const times = Array.from({ length: 1000 }, monotonicMs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times.some((time) => !Number.isInteger(time))).toBe(true)
  })

  test('counts from the boot on Linux', () => {
    const uptimeMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
    const offsetMs = Number(parseMonotonicOffset(readFileSync('/proc/self/timens_offsets', 'utf8')).slice(9)) * 1000
    // Both stand still or go on during a suspend differently, so only the order of magnitude is promised.
    expect(monotonicMs() - offsetMs).toBeLessThan(uptimeMs + 1000)
    expect(monotonicMs()).toBeGreaterThan(0)
  })
})

describe('the identity of the clock', () => {
  test('is equal in all processes and stays', () => {
    const identity = readClockIdentity()
    expect(readClockIdentity()).toBe(identity)
    expect(inAnotherProcess('clock.readClockIdentity()')).toEqual(identity)
  })

  test('on Linux is the boot id and the offset of the time namespace', () => {
    const answers = {
      '/proc/sys/kernel/random/boot_id': '5ba982a3-1a03-478c-9f98-42723669a07d\n',
      '/proc/self/timens_offsets': 'monotonic        5000         0\nboottime            0         0\n',
    }
    expect(readClockIdentity(sources('linux', answers))).toEqual({
      boot: 'linux:5ba982a3-1a03-478c-9f98-42723669a07d',
      timeNamespace: 'monotonic+5000.000000000',
    })
  })

  test('on a Linux without time namespaces says none', () => {
    const answers = { '/proc/sys/kernel/random/boot_id': '5ba982a3-1a03-478c-9f98-42723669a07d\n' }
    expect(readClockIdentity(sources('linux', answers)).timeNamespace).toBe('none')
  })

  test('on macOS is the boot session', () => {
    const answers = { '/usr/sbin/sysctl -n kern.bootsessionuuid': '0F5C2F6E-8D7A-4D5B-9C39-0B6B7E0A8E11\n' }
    expect(readClockIdentity(sources('darwin', answers))).toEqual({
      boot: 'darwin:0f5c2f6e-8d7a-4d5b-9c39-0b6b7e0a8e11',
      timeNamespace: 'none',
    })
  })

  test('on Windows is the boot counter of the registry', () => {
    const key = 'HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters'
    const answers = {
      [`C:\\Windows\\System32\\reg.exe query ${key} /v BootId`]: `\r\nHKEY_LOCAL_MACHINE${key.slice(4)}\r\n    BootId    REG_DWORD    0x1f3\r\n\r\n`,
    }
    expect(readClockIdentity(sources('win32', answers))).toEqual({ boot: 'win32:499', timeNamespace: 'none' })
  })

  test.each<[NodeJS.Platform, Record<string, string | Error>]>([
    ['linux', {}],
    ['linux', { '/proc/sys/kernel/random/boot_id': 'none' }],
    ['darwin', {}],
    ['win32', {}],
    ['sunos', {}],
  ])('is refused with a way out where it cannot be read (%s, %o)', (platform, answers) => {
    expect(() => readClockIdentity(sources(platform, answers))).toThrow(/use another store/)
  })

  test('is refused where the time namespace cannot be read', () => {
    const answers = {
      '/proc/sys/kernel/random/boot_id': '5ba982a3-1a03-478c-9f98-42723669a07d\n',
      '/proc/self/timens_offsets': Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }),
    }
    expect(() => readClockIdentity(sources('linux', answers))).toThrow(/EACCES/)
  })

  test.each(TIME_OFFSETS)('tells a time namespace by its offset of %d s, where the boot id is the same', (seconds) => {
    const namespace = [...TIME_NAMESPACE, `--monotonic=${seconds}`]
    const here = readClockIdentity()
    expect(inAnotherProcess('[clock.readClockIdentity(), clock.monotonicMs()]', namespace)).toEqual([
      { boot: here.boot, timeNamespace: `monotonic+${seconds}.000000000` },
      expect.closeTo(monotonicMs() + seconds * 1000, -5),
    ])
  })
})

describe('the parsers', () => {
  test('take a UUID alone, in either case', () => {
    expect(parseUuid(' 5BA982A3-1a03-478c-9f98-42723669a07d\n')).toBe('5ba982a3-1a03-478c-9f98-42723669a07d')
    expect(() => parseUuid('kern.bootsessionuuid: 5ba982a3-1a03-478c-9f98-42723669a07d')).toThrow(/expected a UUID/)
    expect(() => parseUuid('')).toThrow(/expected a UUID/)
  })

  test.each([
    ['monotonic           0         0\nboottime            0         0\n', 'monotonic+0.000000000'],
    ['boottime 7000 0\nmonotonic -12 5000\n', 'monotonic-12.000005000'],
    ['1          5000         1\n7 0 0\n', 'monotonic+5000.000000001'],
  ])('read the offset of the monotonic clock out of %j', (text, offset) => {
    expect(parseMonotonicOffset(text)).toBe(offset)
  })

  test('refuse offsets without the monotonic clock', () => {
    expect(() => parseMonotonicOffset('boottime 0 0\n')).toThrow(/no monotonic offset/)
  })

  test('read a REG_DWORD whatever the language around it', () => {
    expect(parseRegistryDword('\r\nSchlüssel\r\n  BootId  REG_DWORD  0xff\r\n', 'BootId')).toBe(255)
    expect(() => parseRegistryDword('  BootId  REG_SZ  0xff\r\n', 'BootId')).toThrow(/no value BootId/)
    expect(() => parseRegistryDword('ERROR: The system was unable to find the key.\r\n', 'BootId')).toThrow(/no value/)
  })
})
