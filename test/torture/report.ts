import type { Outcome } from './run.ts'

/** The report of a run, as Markdown. */
export function reportOf(outcome: Outcome): string {
  const { options, injections, data, judgement, problems } = outcome
  const { guarded, careless, set } = data
  const rows: readonly (readonly [string, string | number])[] = [
    ['Store', outcome.description],
    ['Ran', `${(outcome.ranMs / 1_000).toFixed(0)} s${outcome.wasInterrupted ? ', then it was interrupted' : ''}`],
    ['Seed', options.seed],
    ['Worker processes', `${options.workers} at a time, ${outcome.workersStarted} in all`],
    ['Recorded operations', judgement.operations],
    ['Grants', judgement.grants],
    ['Grants whose place in line was checked', judgement.inLine],
    ['Leases of the time of a loss of data, checked by their tokens only', judgement.blurred],
    ['Events in the log', `${outcome.events}, cut ${outcome.gaps} times`],
    ['Faults', injections.length],
    ['Longest wait of one request', `${Math.round(judgement.longestWaitMs)} ms`],
    ['Fencing tokens', `${judgement.lowestToken} to ${judgement.highestToken}`],
    ['Configurations that the history checker looked at', judgement.verdict.visited],
    ['History', judgement.verdict.verdict],
  ]
  return [
    `# Torture of ${options.store}`,
    '',
    `**${problems.length === 0 ? 'Nothing was wrong.' : `${problems.length} things were wrong.`}**`,
    '',
    table(['', ''], rows),
    '',
    '## Updates',
    '',
    table(
      ['Data', 'Writes', 'Refused by the guard', 'Lost updates'],
      [
        ['counter with the guard', guarded.writes, guarded.refused, guarded.lost],
        ['set with the guard', set.writes, set.refused, set.lost],
        ['counter without the guard', careless.writes, '–', careless.lost],
      ],
    ),
    '',
    '## Faults',
    '',
    faultTable(outcome),
    '',
    ...(problems.length === 0
      ? []
      : ['## What was wrong', '', ...problems.flatMap((each) => ['```', each, '```', ''])]),
  ].join('\n')
}

function faultTable({ injections }: Outcome): string {
  const byName = [...Map.groupBy(injections, ({ name }) => name)].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const rows = byName.map(([name, some]) => {
    const recovered = some.map(({ recoveredMs }) => recoveredMs).toSorted((a, b) => a - b)
    const median = recovered[Math.floor(recovered.length / 2)] ?? 0
    return [name, some.length, Math.round(median), Math.round(recovered.at(-1) ?? 0)] as const
  })
  return table(['Fault', 'Times', 'Median ms to the next grants', 'Longest'], rows)
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n')
}
