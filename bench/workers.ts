import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Tasks } from './sqlite/tasks.ts'
import type { Order, Report } from './worker.ts'

const SCRIPT = new URL('./worker.ts', import.meta.url)

type Input<T extends keyof Tasks> = Parameters<Tasks[T]>[0]
type Result<T extends keyof Tasks> = Awaited<ReturnType<Tasks[T]>>

/** Processes that carry out tasks, each one at a time. */
export class Workers {
  readonly #children: readonly ChildProcess[]

  constructor(count: number) {
    this.#children = Array.from({ length: count }, () => fork(SCRIPT, { stdio: ['ignore', 2, 2, 'ipc'] }))
  }

  /** Gives the first workers a task each, at the same time. */
  async each<T extends keyof Tasks>(task: T, inputs: readonly Input<T>[]): Promise<Result<T>[]> {
    return Promise.all(inputs.map((input, index) => this.#order(index, { task, input }))) as Promise<Result<T>[]>
  }

  /** Gives so many workers the same task. */
  some<T extends keyof Tasks>(count: number, task: T, input: Input<T>): Promise<Result<T>[]> {
    return this.each(
      task,
      Array.from({ length: count }, () => input),
    )
  }

  /** Ends the processes. */
  async end(): Promise<void> {
    const running = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    await Promise.all(
      running.map(async (child) => {
        const exit = once(child, 'exit')
        child.kill('SIGKILL')
        await exit
      }),
    )
  }

  async #order(index: number, order: Order): Promise<unknown> {
    const child = this.#children[index]
    if (child === undefined) throw new Error(`there is no worker ${index}`)
    const gone = new AbortController()
    const answered = once(child, 'message', { signal: gone.signal })
    const onExit = (): void => gone.abort(new Error(`worker ${index} ended while it carried out '${order.task}'`))
    child.once('exit', onExit)
    child.send(order)
    try {
      const [report] = (await answered) as [Report]
      if ('error' in report) throw new Error(`worker ${index}: ${report.error}`)
      return report.result
    } finally {
      child.off('exit', onExit)
    }
  }
}
