import { styleText } from 'node:util'
import type { Member } from './crew.ts'

/** One file at one moment. */
export interface FileView {
  readonly path: string
  /** Who holds it; without locks, everybody who edits it. */
  readonly agents: readonly string[]
  /** Who waits for it, the next one first. */
  readonly line: readonly string[]
  /** The holder was killed: the time until its lease runs out. */
  readonly leaseEndsInMs?: number
}

/** What the viewer sees of a run at one moment. */
export interface View {
  readonly withLocks: boolean
  readonly files: readonly FileView[]
  readonly members: readonly Member[]
  readonly footer: string
}

type Format = Parameters<typeof styleText>[0]

interface Cell {
  readonly text: string
  readonly format?: Format
}

const BAR = 24

/** The picture, line by line. */
export function paint(view: View): readonly string[] {
  const width = Math.max(...view.files.map(({ path }) => path.length)) + 3
  const heading = view.withLocks ? 'LOCKED BY'.padEnd(34) + 'WAITING IN LINE' : 'EDITED RIGHT NOW BY'
  return [
    '',
    `  ${styleText('dim', 'FILE'.padEnd(width) + heading)}`,
    ...view.files.map((file) => `  ${file.path.padEnd(width)}${paintFile(file, view.withLocks)}`),
    '',
    ...view.members.map((member) => `  ${paintMember(member)}`),
    '',
    `  ${view.footer}`,
  ]
}

function paintFile(file: FileView, withLocks: boolean): string {
  const holder = withLocks ? holderOf(file) : editorsOf(file)
  // Padded before it is coloured, for colours have a length too.
  const padded = styleText(holder.format ?? 'reset', holder.text.padEnd(34))
  return padded + styleText('yellow', file.line.join(', '))
}

function holderOf({ agents, line, leaseEndsInMs }: FileView): Cell {
  const [holder] = agents
  const [next] = line
  // It is free, but whoever is next also needs another file that is not, and gets both or none.
  if (holder === undefined) return { text: next === undefined ? '-' : `kept for ${next}`, format: 'dim' }
  if (leaseEndsInMs === undefined) return { text: holder, format: 'green' }
  return { text: `${holder} (killed), free in ${seconds(leaseEndsInMs)}`, format: 'red' }
}

function editorsOf({ agents }: FileView): Cell {
  if (agents.length === 0) return { text: '-', format: 'dim' }
  if (agents.length === 1) return { text: agents.join() }
  return { text: `${agents.join(', ')} at the same time`, format: 'red' }
}

function paintMember({ agentId, made, planned, state, current }: Member): string {
  const filled = planned === 0 ? BAR : Math.round((BAR * made.length) / planned)
  const bar = '█'.repeat(filled) + styleText('dim', '░'.repeat(BAR - filled))
  const files = current?.files.join(' and ') ?? ''
  const doing = {
    starting: { text: 'starts' },
    waiting: { text: `waits for ${files}`, format: 'yellow' },
    editing: { text: `edits ${files}`, format: 'green' },
    finished: { text: 'finished', format: 'dim' },
    killed: { text: 'killed in the middle of an edit', format: 'red' },
    failed: { text: 'failed', format: 'red' },
  } as const satisfies Record<Member['state'], Cell>
  const { text, format = 'reset' }: Cell = doing[state]
  return `${agentId.padEnd(9)} ${bar} ${String(made.length).padStart(3)} edits  ${styleText(format, text)}`
}

export function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`
}
