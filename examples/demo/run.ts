import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { styleText } from 'node:util'
import { fileResource, type LockEvent } from 'holdfast'
import { copyTo, type Count, countEdits, type Original } from './arena.ts'
import { Crew, type Member } from './crew.ts'
import type { Edit } from './edit.ts'
import type { Figures } from './ledger.ts'
import { Onlooker } from './onlooker.ts'
import { type FileView, paint, type View } from './picture.ts'
import type { Assignment } from './protocol.ts'
import type { Screen } from './screen.ts'

const FRAME_MS = 80

/** One run: the same agents with the same work, with locks or without. */
export interface Setting {
  /** The folder for the copies of the files. */
  readonly root: string
  readonly originals: readonly Original[]
  readonly agents: number
  /** Edits of each agent; the last one is killed after half of them. */
  readonly edits: number
  /** The database with the locks; `null`: without locks. */
  readonly database: string | null
}

export interface Result extends Count {
  /** Edits that were reported as done. */
  readonly made: readonly Edit[]
  /** Agents that did not finish although nobody was to kill them. */
  readonly unfinished: readonly Member[]
  readonly tookMs: number
  /** Only with locks. */
  readonly figures: Figures | undefined
}

export async function run(setting: Setting, screen: Screen, signal: AbortSignal): Promise<Result> {
  const { root, originals, database } = setting
  await copyTo(root, originals)
  const onExpired = ({ agentId, resources }: LockEvent): void => {
    const files = resources.map(({ resourceId }) => resourceId.slice('file:'.length)).join(' and ')
    tellStory(screen, `The lease of ${agentId} ran out: ${files} goes to the next in line.`)
  }
  await using onlooker = database === null ? undefined : await Onlooker.open(database, onExpired)
  await using crew = new Crew(assignmentsOf(setting), (member) =>
    tellStory(screen, obituary(member, database !== null)),
  )

  const ended = crew.run(signal).then(() => true)
  for (let hasEnded = false; !hasEnded;) {
    const view = onlooker === undefined ? viewWithout(setting, crew) : await viewWith(setting, crew, onlooker)
    screen.show(paint(view), view.footer)
    hasEnded = await Promise.race([ended, sleep(FRAME_MS, false)])
  }
  signal.throwIfAborted()

  const figures = await onlooker?.finish()
  const last = onlooker === undefined ? viewWithout(setting, crew) : await viewWith(setting, crew, onlooker)
  screen.show(paint(last), last.footer)
  screen.settle()
  const made = crew.members.flatMap((member) => member.made)
  return {
    ...(await countEdits(root, originals, made)),
    made,
    unfinished: crew.members.filter(({ state }) => state === 'failed'),
    tookMs: crew.tookMs,
    figures,
  }
}

function assignmentsOf({ root, originals, agents, edits, database }: Setting): readonly Assignment[] {
  const files = originals.map(({ path }) => path)
  return Array.from({ length: agents }, (_, index) => {
    const getsStuck = index === agents - 1
    const planned = getsStuck ? Math.floor(edits / 2) : edits
    return { agentId: `agent-${index + 1}`, edits: planned, getsStuck, root, files, database }
  })
}

function tellStory(screen: Screen, line: string): void {
  screen.say(`  ${styleText('bold', '!')} ${line}`)
}

function obituary({ agentId, current }: Member, withLocks: boolean): string {
  const files = current?.files.join(' and ') ?? ''
  return withLocks
    ? `${agentId} is killed while it holds the lock of ${files}. The others wait until its lease runs out.`
    : `${agentId} is killed while it edits ${files}.`
}

function viewWithout({ originals }: Setting, { members }: Crew): View {
  const editing = members.filter(({ state }) => state === 'editing')
  const files = originals.map(({ path }) => ({
    path,
    agents: editing.filter(({ current }) => current?.files.includes(path)).map(({ agentId }) => agentId),
    line: [],
  }))
  const most = files.toSorted((a, b) => b.agents.length - a.agents.length)[0]
  const crowd = most !== undefined && most.agents.length > 1
  const footer = `${progress(members)}${crowd ? `; ${most.agents.length} agents at once in ${basename(most.path)}` : ''}`
  return { withLocks: false, files, members, footer }
}

async function viewWith({ root, originals }: Setting, { members }: Crew, onlooker: Onlooker): Promise<View> {
  const held = await onlooker.look()
  const killed = new Set(members.filter(({ state }) => state === 'killed').map(({ agentId }) => agentId))
  const files = originals.map(({ path }): FileView => {
    const id = fileResource(join(root, path), { root })
    const lock = held.get(id)
    const isOrphan = lock !== undefined && killed.has(lock.agentId)
    return {
      path,
      agents: lock === undefined ? [] : [lock.agentId],
      line: onlooker.lineFor(id),
      ...(isOrphan ? { leaseEndsInMs: lock.expiresAt.getTime() - Date.now() } : {}),
    }
  })
  const { handOvers } = onlooker.figures
  const locked = `locked: ${held.size} of ${files.length} files; in line: ${onlooker.waiters} of ${members.length} agents`
  return { withLocks: true, files, members, footer: `${progress(members)}; ${locked}; hand-overs so far: ${handOvers}` }
}

function progress(members: readonly Member[]): string {
  const made = members.reduce((sum, member) => sum + member.made.length, 0)
  return `${made} of ${members.reduce((sum, member) => sum + member.planned, 0)} edits made`
}
