// A process of a benchmark: does what it is asked to and answers, until whoever started it lets go of it.
import { type Tasks, tasks } from './sqlite/tasks.ts'

/** Which task, and with what. */
export interface Order {
  readonly task: keyof Tasks
  readonly input: unknown
}

export type Report = { readonly result: unknown } | { readonly error: string }

process.on('message', (order: Order) => void carryOut(order))
process.on('disconnect', () => process.exit())

async function carryOut({ task, input }: Order): Promise<void> {
  const perform = tasks[task] as (given: unknown) => Promise<unknown>
  let report: Report
  try {
    report = { result: await perform(input) }
  } catch (error) {
    report = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send?.(report)
}
