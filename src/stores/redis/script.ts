import { createHash } from 'node:crypto'
import { readBeside } from '../../core/disk/source-text.ts'
import { StoreUnavailableError } from '../../core/errors.ts'
import type { RedisLink } from './link.ts'

/** The files of the table, each a module of that name. A module is made when another one first asks for it. */
const MODULES = [
  'budget',
  'clock',
  'keys',
  'lists',
  'scratch',
  'resource',
  'server',
  'rows',
  'indexes',
  'nodes',
  'places',
  'claims',
  'looks',
  'texts',
  'followers',
  'requests',
  'sessions',
  'previous',
  'log',
  'unsettled',
  'halt',
  'turn',
  'lines',
  'ending',
  'granting',
  'views',
  'deadlock',
  'reading',
  'holding',
  'acquiring',
  'sweeping',
  'alone',
  'quiet',
  'plainline',
  'relay',
  'joining',
  'lone',
  'steps',
  'main',
] as const

const LOADER = `local definitions = {}
local module
local function start()
  module = setmetatable({}, {
    __index = function(modules, name)
      local made = definitions[name]()
      modules[name] = made
      return made
    end,
  })
end`

/**
 * The lock table in the two forms in which a server takes it. As a library its modules are made once and stay; as a
 * script they are made in each call, which takes several times as long as what a lone caller asks for.
 *
 * Either has two ways in. The server refuses the usual one where its memory is full, before anything was executed; the
 * frugal one it always lets in.
 */
export interface TableScript {
  readonly library: string
  readonly usual: Entry
  readonly frugal: Entry
}

interface Entry {
  /** Of the function in the library. Different tables do not get in each other's way. */
  readonly name: string
  readonly script: string
  readonly sha: string
}

/** The lock table; tests put other modules in the place of some. */
export function assembleTable(replacements: Readonly<Record<string, string>> = {}): TableScript {
  const modules = MODULES.map((name) => {
    const text = replacements[name] ?? readBeside(import.meta.url, 'stores/redis', `table/${name}.lua`)
    return `definitions.${name} = function()\n${text}end`
  })
  const text = [LOADER, ...modules].join('\n')
  const name = `holdfast_${sha1(text)}`
  const usual = entryOf(name, `#!lua\n${text}`)
  const frugal = entryOf(`${name}_frugal`, `#!lua flags=allow-oom\n${text}`)
  const library = [
    `#!lua name=${name}`,
    text,
    // While a library is loaded, Lua's own functions are not there yet.
    'local function call(keys, arguments)',
    'if module == nil then start() end',
    'return module.main(keys[1], arguments[1])',
    'end',
    `redis.register_function('${usual.name}', call)`,
    `redis.register_function({ function_name = '${frugal.name}', callback = call, flags = { 'allow-oom' } })\n`,
  ].join('\n')
  return { library, usual, frugal }
}

function entryOf(name: string, text: string): Entry {
  const script = `${text}\nstart()\nreturn module.main(KEYS[1], ARGV[1])\n`
  return { name, script, sha: sha1(script) }
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

let table: TableScript | undefined

/** The lock table, read once. */
export function lockTable(): TableScript {
  table ??= assembleTable()
  return table
}

/**
 * Runs the lock table where it is loaded, and loads it where it is not: at first, after a FUNCTION FLUSH, after a
 * restart without a file, on another node of a Cluster. Where libraries are not to be had, it is run as a script.
 */
export class TableRunner {
  readonly #link: RedisLink
  readonly #table: TableScript
  #isLibrary = true

  constructor(link: RedisLink, script: TableScript) {
    this.#link = link
    this.#table = script
  }

  /**
   * @param keys of the namespace, all or just the first
   * @throws StoreUnavailableError as {@link RedisLink.call}
   */
  async run(keys: readonly string[], argument: string, isFrugal: boolean): Promise<unknown> {
    const entry = isFrugal ? this.#table.frugal : this.#table.usual
    const rest = [String(keys.length), ...keys, argument]
    if (!this.#isLibrary) return this.#runScript(entry, rest)
    try {
      return await this.#runFunction(entry, rest)
    } catch (error) {
      // A full server takes no library, but a frugal script.
      if (said(error, 'OOM') && isFrugal) return this.#runScript(entry, rest)
      if (!refusesLibraries(error)) throw error
      this.#isLibrary = false
      return this.#runScript(entry, rest)
    }
  }

  async #runFunction({ name }: Entry, rest: readonly string[]): Promise<unknown> {
    const [, key = ''] = rest
    try {
      return await this.#link.call(key, 'FCALL', [name, ...rest])
    } catch (error) {
      if (!said(error, 'ERR Function not found')) throw error
    }
    try {
      await this.#link.call(key, 'FUNCTION', ['LOAD', this.#table.library])
    } catch (error) {
      // Somebody else was faster.
      if (!said(error, 'ERR Library', /already exists/u)) throw error
    }
    return this.#link.call(key, 'FCALL', [name, ...rest])
  }

  async #runScript({ sha, script }: Entry, rest: readonly string[]): Promise<unknown> {
    const [, key = ''] = rest
    try {
      return await this.#link.call(key, 'EVALSHA', [sha, ...rest])
    } catch (error) {
      if (!said(error, 'NOSCRIPT')) throw error
      return this.#link.call(key, 'EVAL', [script, ...rest])
    }
  }
}

/** The server does not know libraries, or lets this user neither load nor call them. */
function refusesLibraries(error: unknown): boolean {
  return said(error, 'NOPERM', /'(?:fcall|function\|load|function)'/u) || said(error, 'ERR unknown command')
}

/** Whether the server has refused a command with these words. */
function said(error: unknown, start: string, part: RegExp = /^/u): boolean {
  if (!(error instanceof StoreUnavailableError) || !(error.cause instanceof Error)) return false
  const { message } = error.cause
  return message.startsWith(start) && part.test(message)
}
