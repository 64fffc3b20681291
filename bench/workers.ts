import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Order, Report, Tasks } from './worker.ts'

type Input<T extends Tasks<T>, K extends keyof T> = Parameters<T[K]>[0]
type Result<T extends Tasks<T>, K extends keyof T> = Awaited<ReturnType<T[K]>>

/** Processes that carry out tasks, each one at a time. */
export class Workers<T extends Tasks<T>> {
  readonly #children: readonly ChildProcess[]

  /** @param script serves the tasks */
  constructor(script: URL, count: number, execArgv: string[] = []) {
    this.#children = Array.from({ length: count }, () => fork(script, { stdio: ['ignore', 2, 2, 'ipc'], execArgv }))
  }

  /** Gives the first workers a task each, at the same time. */
  async each<K extends keyof T & string>(task: K, inputs: readonly Input<T, K>[]): Promise<Result<T, K>[]> {
    return Promise.all(inputs.map((input, index) => this.#order(index, { task, input }))) as Promise<Result<T, K>[]>
  }

  /** Gives so many workers the same task. */
  some<K extends keyof T & string>(count: number, task: K, input: Input<T, K>): Promise<Result<T, K>[]> {
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
