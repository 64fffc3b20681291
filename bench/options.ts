import { parseArgs } from 'node:util'
import { type SectionId, SECTIONS } from './report.ts'

export interface Options {
  readonly sections: readonly SectionId[]
  readonly json: boolean
  /** Fewer and shorter rounds: to see whether it works, not to quote. */
  readonly quick: boolean
  /** Put the tables into docs/benchmarks.md. */
  readonly write: boolean
}

/** What needs no server and no other library. */
export const DEFAULT_SECTIONS = ['memory', 'sqlite', 'steps'] as const satisfies SectionId[]

export const USAGE = `node bench/main.ts [--only ${SECTIONS.join('|')}]… [--quick] [--json] [--write]`

/** @throws TypeError for what is not an option */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  })
  const only = values.only?.flatMap((each) => each.split(',')) ?? DEFAULT_SECTIONS
  return {
    sections: only.map(checkSection),
    json: values.json,
    quick: values.quick,
    write: values.write,
  }
}

function checkSection(name: string): SectionId {
  const known = SECTIONS.find((section) => section === name)
  if (known === undefined) throw new TypeError(`--only ${name}: known are ${SECTIONS.join(', ')}.`)
  return known
}
