// Puts known bugs into the sources, one at a time, and says which test notices each.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../support/repository.ts'
import { mutants } from './mutants.ts'
import { type Verdict, Workshop } from './workshop.ts'

const USAGE = `npm run mutants -- [--only TEXT]… [--jobs N] [--json] [--write] [--list]

Puts ${mutants.length} known bugs into a copy of the sources, one at a time, and runs the tests that should notice.
Fails if one survives.

  --only TEXT  only those whose name or file has this text in it
  --jobs N     how many at a time (default 2)
  --json       the result for a program
  --write      puts the table into docs/mutants.md
  --list       only names them`

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const chosen = mutants.filter(
  ({ name, file }) =>
    values.only.length === 0 || values.only.some((text) => name.includes(text) || file.includes(text)),
)
if (values.help) console.log(USAGE)
else if (values.list) for (const { name, file, bug } of chosen) console.log(`${name} (${file}): ${bug}`)
else await run()

async function run(): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const waiting = [...chosen]
  const verdicts: Verdict[] = []
  const work = async (): Promise<void> => {
    const workshop = await Workshop.open()
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const verdict = await workshop.try(next, stop.signal)
        verdicts.push(verdict)
        console.error(`${verdicts.length}/${chosen.length} ${describe(verdict)}`)
      }
    } finally {
      await workshop.close()
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, work))
  report(verdicts.toSorted((a, b) => chosen.indexOf(a.mutant) - chosen.indexOf(b.mutant)))
}

function describe({ mutant, caughtBy, ms }: Verdict): string {
  const seconds = (ms / 1000).toFixed(1)
  return caughtBy === undefined ? `SURVIVED: ${mutant.name} (${seconds} s)` : `caught: ${mutant.name} (${seconds} s)`
}

function report(verdicts: readonly Verdict[]): void {
  const survivors = verdicts.filter(({ caughtBy }) => caughtBy === undefined)
  if (values.json) console.log(JSON.stringify(verdicts, undefined, 1))
  else console.log(tableOf(verdicts))
  console.log(`\n${verdicts.length - survivors.length} caught, ${survivors.length} survived`)
  if (values.write) write(tableOf(verdicts))
  if (survivors.length > 0) process.exitCode = 1
}

function tableOf(verdicts: readonly Verdict[]): string {
  const row = ({ mutant, caughtBy, ms }: Verdict): string =>
    `| ${mutant.name} | \`${mutant.file}\` | ${mutant.bug} | ${caughtBy ?? '**nothing**'} | ${(ms / 1000).toFixed(1)} s |`
  return [
    '| bug | in | what would go wrong | noticed by | after |',
    '|---|---|---|---|---:|',
    ...verdicts.map(row),
  ].join('\n')
}

function write(table: string): void {
  const path = join(root, 'docs/mutants.md')
  const [start, end] = ['<!-- mutants -->', '<!-- /mutants -->']
  const text = readFileSync(path, 'utf8')
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/mutants.md has no markers ${start} … ${end}.`)
  writeFileSync(path, `${text.slice(0, from + start.length)}\n\n${table}\n\n${text.slice(to)}`)
}
