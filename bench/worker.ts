/** Which task, and with what. */
export interface Order {
  readonly task: string
  readonly input: unknown
}

export type Report = { readonly result: unknown } | { readonly error: string }

/** What a worker process can be asked to do, by name. */
export type Tasks<T> = { readonly [K in keyof T]: (input: never) => Promise<unknown> }

type Perform = (input: unknown) => Promise<unknown>

/** Makes this process a worker: it does what it is asked to and answers, until whoever started it lets go of it. */
export function serve<T extends Tasks<T>>(tasks: T): void {
  process.on('message', (order: Order) => void carryOut(tasks, order))
  process.on('disconnect', () => process.exit())
}

async function carryOut<T extends Tasks<T>>(tasks: T, { task, input }: Order): Promise<void> {
  const perform = Object.entries<unknown>(tasks).find(([name]) => name === task)?.[1] as Perform | undefined
  let report: Report
  try {
    if (perform === undefined) throw new Error(`there is no task '${task}'`)
    report = { result: await perform(input) }
  } catch (error) {
    report = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send?.(report)
}
