import { hostname, userInfo } from 'node:os'
import type { ResourceLockManager } from '../open.ts'
import { readConfig } from './config.ts'
import { UsageError } from './failure.ts'
import type { SettingFlags } from './options.ts'

/** A value, and where it comes from, in words: `--store`, `HOLDFAST_STORE`, a file's path, `default`. */
export interface Setting {
  readonly value: string
  readonly source: string
}

/** Which locks a command is about, and who asks. */
export interface Settings {
  readonly store: Setting
  readonly namespace: Setting
  readonly agent: Setting
}

const VARIABLES = { store: 'HOLDFAST_STORE', namespace: 'HOLDFAST_NAMESPACE', agent: 'HOLDFAST_AGENT' } as const

/**
 * A flag counts before the environment, that before the nearest config file upwards, that before the default.
 *
 * @throws UsageError if a flag is empty, or the config file is wrong
 */
export function resolveSettings(
  flags: SettingFlags,
  env: NodeJS.ProcessEnv = process.env,
  folder: string = process.cwd(),
): Settings {
  const config = readConfig(folder)
  const resolve = (key: keyof typeof VARIABLES, byDefault: () => string): Setting => {
    const flag = flags[key]
    if (flag === '') throw new UsageError(`--${key} is empty: leave it out, or say which.`)
    if (flag !== undefined) return { value: flag, source: `--${key}` }
    const variable = env[VARIABLES[key]]
    if (variable !== undefined && variable !== '') return { value: variable, source: VARIABLES[key] }
    const configured = config?.[key]
    if (config !== undefined && configured !== undefined) return { value: configured, source: config.path }
    return { value: byDefault(), source: 'default' }
  }
  return {
    store: resolve('store', () => 'sqlite:'),
    namespace: resolve('namespace', () => 'default'),
    agent: resolve('agent', defaultAgent),
  }
}

/**
 * `user@host:pid`. The process is the one that started `holdfast`, a shell or an agent: it lives on between commands,
 * so that several commands in one shell are one agent, and somebody who sees the name can look for it.
 */
function defaultAgent(): string {
  return `${userName()}@${hostname()}:${process.ppid}`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // In a container a user need not have a name.
    return String(process.getuid?.() ?? 'unknown')
  }
}

/** A manager of the settings' store and namespace. It connects with its first call. */
export async function openManager(settings: Settings): Promise<ResourceLockManager> {
  const { ResourceLockManager: Manager } = await import('../open.ts')
  return new Manager({ store: settings.store.value, namespace: settings.namespace.value, metrics: false })
}
