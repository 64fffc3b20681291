/** Plays many seeds on all processors: `npm run simulate -- --seeds 1000`. See `--help`. */
import { parseArgs } from 'node:util'
import { type Crowd, playAll } from './crowd.ts'
import { minimise } from './minimise.ts'
import { planOf } from './planning.ts'
import { failureText, historyOf } from './report.ts'
import { simulate } from './simulation.ts'

const USAGE = `npm run simulate -- [options]

  --seeds N      how many seeds to play (default 1000)
  --from S       the first of them (default: one by the clock)
  --seed S       play this one, and print what happened
  --clients N    with so many clients (default: the seed decides, 3 to 50)
  --workers N    processes at work (default: one for each processor)
  --no-minimise  leave failing histories as long as they are
  --stop-after N give up after so many failures (default 20)
`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string' },
    seed: { type: 'string' },
    clients: { type: 'string' },
    workers: { type: 'string' },
    minimise: { type: 'boolean', default: true },
    'stop-after': { type: 'string', default: '20' },
    help: { type: 'boolean', default: false },
  },
})

const plans = values.clients === undefined ? {} : { clients: Number(values.clients) }

if (values.help) say(USAGE)
else if (values.seed === undefined) await playMany()
else await playOne(Number(values.seed))

async function playOne(seed: number): Promise<void> {
  const plan = planOf(seed, plans)
  const result = await simulate(plan, { keep: 2_000 })
  for (const line of [...historyOf(plan), ...result.lines]) say(line)
  say(`seed ${seed}: ${result.executions} batches, ${result.acquired} locks, trace ${result.hash}`)
  if (result.violation !== undefined) await explain(seed, result.violation)
}

async function playMany(): Promise<void> {
  const from = values.from === undefined ? Date.now() % 1_000_000_000 : Number(values.from)
  const crowd: Crowd = {
    from,
    seeds: Number(values.seeds),
    workers: values.workers === undefined ? undefined : Number(values.workers),
    stopAfter: Number(values['stop-after']),
    ...plans,
  }
  const { played, failures, batches, acquired, seconds, hash } = await playAll(crowd, (text) => say(text))
  for (const { seed, violation } of failures) await explain(seed, violation)
  const perMinute = Math.round((played / seconds) * 60)
  say(
    `${played} seeds from ${from}, ${batches} batches, ${acquired} locks in ${seconds.toFixed(0)} s (${perMinute} seeds a minute), ` +
      `${failures.length} failed; trace of all: ${hash}`,
  )
}

async function explain(seed: number, violation: Parameters<typeof failureText>[1]): Promise<void> {
  process.exitCode = 1
  const minimised = values.minimise ? await minimise(planOf(seed, plans), violation.invariant) : undefined
  say(failureText(seed, violation, minimised))
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
