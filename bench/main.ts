// Measures Holdfast against floors, all in one run. Progress on stderr, tables on stdout.
import { writeToDocument } from './document.ts'
import { describeMachine } from './machine.ts'
import { benchMemory } from './memory/throughput.ts'
import { DEFAULT_SECTIONS, readOptions, USAGE } from './options.ts'
import { benchPostgres } from './postgres/suite.ts'
import type { Progress } from './progress.ts'
import { benchRedis } from './redis/suite.ts'
import { asMarkdown, type Section, type SectionId } from './report.ts'
import { benchSqlite } from './sqlite/suite.ts'
import { benchSteps } from './steps/suite.ts'

const SUITES: Readonly<Record<SectionId, (quick: boolean, progress: Progress) => Promise<Section>>> = {
  memory: benchMemory,
  sqlite: benchSqlite,
  redis: benchRedis,
  postgres: benchPostgres,
  steps: benchSteps,
}

try {
  await run()
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  console.error(`${error.message}\n${USAGE}`)
  process.exitCode = 2
}

async function run(): Promise<void> {
  const { sections, json, quick, write } = readOptions(process.argv.slice(2))
  const machine = describeMachine()
  const date = new Date().toISOString().slice(0, 10)
  const results: Section[] = []
  for (const id of sections) {
    const section = await SUITES[id](quick, (text) => console.error(`${id}: ${text}`))
    results.push(section)
    const command = commandOf(id, sections)
    const text = asMarkdown(section)
    if (!json) console.log(`\n## ${id}\n\n${text}`)
    if (write) writeToDocument(id, `*${date}, \`${command}\`, ${machine}*\n\n${text}`)
  }
  if (json) console.log(JSON.stringify({ date, machine, quick, sections: results }, undefined, 1))
}

/** How to make these figures again. */
function commandOf(id: SectionId, sections: readonly SectionId[]): string {
  if (id === 'redis' || id === 'postgres') return `npm run bench:${id}`
  return sections.length === DEFAULT_SECTIONS.length ? 'npm run bench' : `npm run bench -- --only ${id}`
}
