// One agent: a process of its own, which edits files that others edit too.
import { once } from 'node:events'
import { join } from 'node:path'
import { type Edit, makeEdit, markerOf } from './edit.ts'
import { openGuard } from './guard.ts'
import type { Assignment, Report } from './protocol.ts'

/** One edit in so many changes two files at once, as a rename does. */
const PAIR_EVERY = 4

const assignment = JSON.parse(process.argv[2] ?? '') as Assignment
const { agentId, edits, getsStuck, root, files } = assignment

// A terminal sends Ctrl-C to every process; the demo ends its agents itself. Without the demo there is no point in going on.
process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit(1))

const guard = await openGuard(assignment)
await tell({ type: 'ready' })
await once(process, 'message')
for (let number = 1; number <= edits; number += 1) await perform({ agentId, number, files: chooseFiles(number) })
if (getsStuck) await perform({ agentId, number: edits + 1, files: chooseFiles(1) }, true)
await guard[Symbol.asyncDispose]()
await tell({ type: 'finished' })
process.exit()

async function perform(edit: Edit, isStuck = false): Promise<void> {
  await tell({ type: 'asking', edit })
  await guard.run(edit, isStuck, async () => {
    await tell({ type: 'editing', edit })
    if (isStuck) await thinkForever(edit)
    const paths = edit.files.map((file) => join(root, file))
    await makeEdit(paths, markerOf(edit))
  })
  await tell({ type: 'done', edit })
}

async function thinkForever(edit: Edit): Promise<void> {
  await tell({ type: 'stuck', edit })
  await new Promise(() => {})
}

function chooseFiles(number: number): readonly string[] {
  const shuffled = files.toSorted(() => Math.random() - 0.5)
  return shuffled.slice(0, number % PAIR_EVERY === 0 ? 2 : 1)
}

function tell(report: Report): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(report, (error: Error | null) => (error === null ? resolve() : reject(error)))
  })
}
