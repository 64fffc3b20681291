/** What the parser hands to each command. A flag that was not given is absent. */

/** The flags that every command takes which opens a store. */
export interface SettingFlags {
  readonly store?: string
  readonly namespace?: string
  readonly agent?: string
}

export interface JsonFlag {
  readonly json?: true
}

export interface RunOptions {
  /** `false` for `--no-wait`. */
  readonly wait?: string | false
  readonly skip?: true
  readonly shared?: true
  readonly timeout?: string
  readonly reason?: string
  readonly conflictExitCode?: number
  readonly killAfter?: string
  readonly statusFile?: string
}

export interface AcquireFlags extends JsonFlag {
  /** `false` for `--no-wait`. */
  readonly wait?: string | false
  readonly shared?: true
  readonly timeout?: string
  readonly reason?: string
  readonly forPid?: number
}

export interface ExtendFlags extends JsonFlag {
  readonly timeout?: string
}

export interface ListFlags extends JsonFlag {
  readonly mine?: true
  /** Only this agent's; here it is a filter, not who one is. */
  readonly agent?: string
  readonly type?: string
  readonly under?: string
  readonly waiting?: true
}

export interface WatchFlags extends JsonFlag {
  readonly since?: string
}

export interface StaleFlags extends JsonFlag {
  readonly maxAge: string
}

export interface UnlockFlags extends JsonFlag {
  readonly force?: true
  readonly reason?: string
  readonly yes?: true
}

export interface MigrateFlags {
  readonly sql?: true
  readonly role?: string
}
