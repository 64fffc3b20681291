/** Ends a turn. */
export type Leave = () => void

/** Lets the requests of one resource run one after the other, in the order in which they came. */
export class Turns {
  /** Whoever is in front of each line has its turn; the rest wait. */
  readonly #lines = new Map<string, (() => void)[]>()

  /** How many resources have somebody in line. */
  get size(): number {
    return this.#lines.size
  }

  /** Resolves with the end of the turn once it has come, or with `null` if it had not by then. */
  async take(resource: string, patienceMs: number): Promise<Leave | null> {
    const line = this.#lines.get(resource) ?? []
    this.#lines.set(resource, line)
    let begin = (): void => undefined
    const begun = new Promise<void>((resolve) => (begin = resolve))
    line.push(begin)
    const leave = (): void => this.#leave(resource, line, begin)
    if (line[0] === begin || (await isDoneWithin(begun, patienceMs))) return leave
    leave()
    return null
  }

  #leave(resource: string, line: (() => void)[], begin: () => void): void {
    const at = line.indexOf(begin)
    if (at < 0) return
    line.splice(at, 1)
    if (line.length === 0) this.#lines.delete(resource)
    else if (at === 0) line[0]?.()
  }
}

async function isDoneWithin(done: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([done.then(() => true), tooLate])
  } finally {
    clearTimeout(timer)
  }
}
