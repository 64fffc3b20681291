import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Says which clock `monotonicMs` reads. Two processes may compare their times only if both fields
 * are equal; after a reboot `boot` differs and every stored time is meaningless.
 */
export interface ClockIdentity {
  /** Changes with every boot of the machine, for example `linux:5ba982a3-1a03-478c-9f98-42723669a07d`. */
  readonly boot: string
  /** What the clock of this process is shifted by, for example `monotonic+0.000000000`; `none` where the system has no time namespaces. */
  readonly timeNamespace: string
}

/** Where the clock's identity is read from. Only tests replace it. */
export interface ClockSources {
  readonly platform: NodeJS.Platform
  /** Text of a file; throws if it cannot be read. */
  readonly readText: (path: string) => string
  /** Standard output of a program; throws if it fails. */
  readonly runProgram: (file: string, args: readonly string[]) => string
  readonly env: Readonly<Record<string, string | undefined>>
}

const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id'
const TIME_OFFSETS_FILE = '/proc/self/timens_offsets'
const BOOT_ID_KEY = 'HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters'

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const systemSources: ClockSources = {
  platform: process.platform,
  readText: (path) => readFileSync(path, 'utf8'),
  // A fixed locale keeps the output stable, the timeout keeps a stuck program from stopping us for ever.
  runProgram: (file, args) =>
    execFileSync(file, args, {
      encoding: 'utf8',
      timeout: 10_000,
      windowsHide: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  env: process.env,
}

const READERS: Readonly<Partial<Record<NodeJS.Platform, (sources: ClockSources) => ClockIdentity>>> = {
  linux: linuxIdentity,
  android: linuxIdentity,
  darwin: (sources) => ({
    boot: `darwin:${parseUuid(sources.runProgram('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid']))}`,
    timeNamespace: 'none',
  }),
  win32: (sources) => ({ boot: `win32:${windowsBootId(sources)}`, timeNamespace: 'none' }),
}

let cached: ClockIdentity | undefined

/**
 * Identity of this process's monotonic clock. Read once per process (macOS and Windows start a
 * small system program for it, some 10 ms), then remembered.
 *
 * - Linux, Android: the kernel's boot id, and the offset of the process's time namespace. The offset
 *   is used rather than the namespace's inode number, because the kernel gives the number of a
 *   deleted namespace to the next one, and because namespaces with equal offsets share a clock.
 * - macOS: `sysctl -n kern.bootsessionuuid`.
 * - Windows: the counter `BootId` of the registry, raised at every boot.
 *
 * @throws Error if the platform is not one of these or its source cannot be read.
 */
export function readClockIdentity(sources?: ClockSources): ClockIdentity {
  if (sources !== undefined) return identityFrom(sources)
  cached ??= identityFrom(systemSources)
  return cached
}

/**
 * Milliseconds with fractions on the machine's monotonic clock. All processes of the machine with
 * an equal `ClockIdentity` read the same clock; its zero is near the boot.
 *
 * Linux: CLOCK_MONOTONIC, stands still while the machine is suspended. macOS: mach_continuous_time,
 * Windows: QueryPerformanceCounter; both go on during sleep. None of them follows a step of the wall clock.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function identityFrom(sources: ClockSources): ClockIdentity {
  try {
    return Object.freeze(identityOf(sources))
  } catch (cause) {
    throw new Error(
      `Cannot tell one boot of this machine from the next (${cause instanceof Error ? cause.message : String(cause)}). ` +
        'The SQLite store needs that, because its leases end with the boot: use another store on this machine.',
      { cause },
    )
  }
}

function identityOf(sources: ClockSources): ClockIdentity {
  const read = READERS[sources.platform]
  if (read === undefined) throw new Error(`no known source on ${sources.platform}`)
  return read(sources)
}

function linuxIdentity(sources: ClockSources): ClockIdentity {
  return { boot: `linux:${parseUuid(sources.readText(BOOT_ID_FILE))}`, timeNamespace: linuxTimeNamespace(sources) }
}

function linuxTimeNamespace(sources: ClockSources): string {
  let text: string
  try {
    text = sources.readText(TIME_OFFSETS_FILE)
  } catch (error) {
    // Kernels before 5.6, or built without time namespaces: then there is only one clock.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'none'
    throw error
  }
  return parseMonotonicOffset(text)
}

function windowsBootId(sources: ClockSources): number {
  // By its full path, so that a program of the same name in the working folder is never run.
  const program = `${sources.env['SystemRoot'] ?? 'C:\\Windows'}\\System32\\reg.exe`
  return parseRegistryDword(sources.runProgram(program, ['query', BOOT_ID_KEY, '/v', 'BootId']), 'BootId')
}

/** The UUID that is all of `text`, in lower case. Throws if there is anything else. */
export function parseUuid(text: string): string {
  const uuid = text.trim()
  if (!UUID.test(uuid)) throw new Error(`expected a UUID, got ${JSON.stringify(uuid.slice(0, 80))}`)
  return uuid.toLowerCase()
}

/**
 * Offset of the monotonic clock out of `/proc/self/timens_offsets` (`monotonic  5000  0`: seconds
 * and nanoseconds), as `monotonic+5000.000000000`. Throws if the file has no such line.
 */
export function parseMonotonicOffset(text: string): string {
  // Before Linux 5.10 the clock is named by its number, CLOCK_MONOTONIC = 1.
  const match = /^(?:monotonic|1)\s+(-?\d+)\s+(\d+)\s*$/m.exec(text)
  const [, seconds, nanoseconds] = match ?? []
  if (seconds === undefined || nanoseconds === undefined) throw new Error(`no monotonic offset in ${TIME_OFFSETS_FILE}`)
  return `monotonic${seconds.startsWith('-') ? '' : '+'}${seconds}.${nanoseconds.padStart(9, '0')}`
}

/** A REG_DWORD out of the output of `reg query`, whose words around it depend on the language of the system. Throws if it is not there. */
export function parseRegistryDword(text: string, name: string): number {
  for (const line of text.split(/\r?\n/)) {
    const [key, type, value] = line.trim().split(/\s+/)
    if (key === name && type === 'REG_DWORD' && value !== undefined && /^0x[0-9a-f]{1,8}$/i.test(value))
      return Number(value)
  }
  throw new Error(`no value ${name} in the registry's answer`)
}
