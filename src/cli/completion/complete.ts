import type { Command, Option } from 'commander'
import { claimText, typeOf } from '../../core/resource/resource.ts'
import { connected } from '../connection.ts'
import type { SettingFlags } from '../options.ts'
import { createProgram } from '../program.ts'
import { resolveSettings } from '../settings.ts'
import { splitWords } from './words.ts'

/** Something that can be typed next, and what it means. */
export interface Suggestion {
  readonly value: string
  readonly text: string
}

/** Where a resource is asked for that is locked already. */
const OF_LOCKED: readonly string[] = ['release', 'show', 'unlock']

/** Answers a shell: `bash LINE WORDBREAKS`, or `zsh WORD…` and `fish WORD…`. It prints nothing where it knows nothing. */
export async function complete(args: readonly string[]): Promise<void> {
  const [shell, ...rest] = args
  const { words, quote } = shell === 'bash' ? splitWords(rest[0] ?? '') : { words: rest, quote: '' }
  const typed = words.at(-1) ?? ''
  const suggestions = (await suggest(words.slice(1, -1), typed)).filter(({ value }) => value.startsWith(typed))
  const cut = shell === 'bash' ? brokenAt(typed, rest[1] ?? '') : 0
  const written = (value: string): string => (shell === 'bash' ? quoted(value, quote) : value)
  const lines = suggestions.map(({ value, text }) => `${written(value.slice(cut))}\t${text}\n`)
  process.stdout.write(lines.join(''))
}

/** bash replaces only what follows the last character at which it breaks words. */
function brokenAt(word: string, breaks: string): number {
  return [':', '=', '@']
    .filter((each) => breaks.includes(each))
    .reduce((at, each) => Math.max(at, word.lastIndexOf(each) + 1), 0)
}

/** The other shells quote what they insert; bash runs it as it stands, and a resource has the name that anybody gave it. */
function quoted(value: string, quote: string): string {
  if (quote === "'") return value.replaceAll("'", String.raw`'\''`)
  return value.replaceAll(quote === '"' ? /["$`\\]/g : /[^\p{L}\p{N}_@%+=:,./-]/gu, String.raw`\$&`)
}

async function suggest(before: readonly string[], typed: string): Promise<readonly Suggestion[]> {
  const program = createProgram()
  const name = before.find((word) => program.commands.some((each) => each.name() === word))
  const command = program.commands.find((each) => each.name() === name)
  const end = before.indexOf('--')
  // Behind it stands a command of somebody else's.
  if (end >= 0) return []
  const option = optionOf(command ?? program, before.at(-1) ?? '')
  if (option !== undefined && takesValue(option)) return valuesOf(option, before)
  if (typed.startsWith('-')) return optionsOf(command ?? program)
  if (command === undefined) return commandsOf(program)
  const choices = command.registeredArguments[0]?.argChoices
  if (choices !== undefined) return choices.map((value) => ({ value, text: '' }))
  return OF_LOCKED.includes(command.name()) ? lockedResources(before) : []
}

function commandsOf(program: Command): readonly Suggestion[] {
  return program.commands.map((each) => ({ value: each.name(), text: each.summary() }))
}

function optionsOf(command: Command): readonly Suggestion[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({ value: option.long ?? option.flags, text: option.description }))
}

function optionOf(command: Command, word: string): Option | undefined {
  return command.options.find((option) => option.long === word || option.short === word)
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}

async function valuesOf(option: Option, before: readonly string[]): Promise<readonly Suggestion[]> {
  if (option.long === '--agent') return look(before, ({ agentId }) => ({ value: agentId, text: 'holds a lock' }))
  if (option.long !== '--type') return []
  return look(before, ({ resourceId }) => ({ value: typeOf(resourceId), text: 'type' }))
}

function lockedResources(before: readonly string[]): Promise<readonly Suggestion[]> {
  return look(before, (info) => ({ value: claimText(info), text: `held by ${info.agentId}` }))
}

type Locked = Parameters<typeof claimText>[0] & { readonly agentId: string }

/** What is locked where the line says. A store that cannot be reached has no suggestions. */
async function look(before: readonly string[], show: (info: Locked) => Suggestion): Promise<readonly Suggestion[]> {
  const found = new Map<string, Suggestion>()
  try {
    await connected(resolveSettings(flagsOf(before)), async ({ inspection }) => {
      for await (const info of inspection.listLocks()) {
        const suggestion = show(info)
        // Each is a line: what would break it cannot be suggested.
        if (!/\p{Cc}/u.test(suggestion.value + suggestion.text)) found.set(suggestion.value, suggestion)
      }
    })
  } catch {
    return []
  }
  return [...found.values()]
}

function flagsOf(words: readonly string[]): SettingFlags {
  const valueOf = (flag: string): string | undefined =>
    words
      .flatMap((word, at) =>
        word === flag ? (words[at + 1] ?? []) : word.startsWith(`${flag}=`) ? word.slice(flag.length + 1) : [],
      )
      .at(-1)
  const [store, namespace] = [valueOf('--store'), valueOf('--namespace')]
  return { ...(store === undefined ? {} : { store }), ...(namespace === undefined ? {} : { namespace }) }
}
