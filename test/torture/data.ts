import type { DataReply, DataRequest, Page } from './protocol.ts'

/** A set of so many elements is followed by an empty one. */
const PAGE_SIZE = 100

/** Something that workers read, change and write back; only the runner holds it, so that nothing can happen to it. */
export class Register {
  #page: Page = { number: 0, value: 0, elements: [] }
  readonly #full: Page[] = []
  readonly #readBy = new Map<string, Page>()
  readonly #accepted: string[] = []
  #highest = 0
  #reads = 0
  #writes = 0
  #lost = 0
  #refused = 0

  get reads(): number {
    return this.#reads
  }

  /** Writes that were accepted. */
  get writes(): number {
    return this.#writes
  }

  /** Accepted writes that wiped out another one, because their writer had read before it. */
  get lost(): number {
    return this.#lost
  }

  /** What the guard has refused. */
  get refused(): number {
    return this.#refused
  }

  get value(): number {
    return this.#page.value
  }

  /** Elements whose write was accepted, and that are not there, or twice. */
  get misplaced(): readonly string[] {
    const elements = [...this.#full, this.#page].flatMap((page) => page.elements)
    const counts = new Map<string, number>()
    for (const element of elements) counts.set(element, (counts.get(element) ?? 0) + 1)
    return this.#accepted.filter((element) => counts.get(element) !== 1)
  }

  enter(token: number): DataReply {
    if (token < this.#highest) return this.#refuse()
    this.#highest = token
    return this.#page
  }

  read(reader: string): DataReply {
    this.#reads += 1
    if (this.#page.elements.length >= PAGE_SIZE) this.#turnPage()
    this.#readBy.set(reader, this.#page)
    return this.#page
  }

  write(writer: string, token: number | null, page: Page): DataReply {
    if (token !== null && token < this.#highest) return this.#refuse()
    this.#highest = Math.max(this.#highest, token ?? 0)
    if (this.#readBy.get(writer) !== this.#page) this.#lost += 1
    this.#writes += 1
    this.#accepted.push(...page.elements.slice(-1))
    this.#page = page
    return page
  }

  #turnPage(): void {
    this.#full.push(this.#page)
    this.#page = { ...this.#page, number: this.#page.number + 1, elements: [] }
  }

  #refuse(): null {
    this.#refused += 1
    return null
  }
}

/** All the data of a run. */
export class Data {
  readonly guarded: Register = new Register()
  readonly careless: Register = new Register()
  readonly set: Register = new Register()

  answer(worker: string, request: DataRequest): DataReply {
    const register = this.#registerOf(request.data)
    switch (request.asks) {
      case 'enter':
        return register.enter(request.token)
      case 'read':
        return register.read(worker)
      case 'write':
        return register.write(worker, request.token, request.page)
    }
  }

  #registerOf(name: string): Register {
    if (name === 'guarded' || name === 'careless' || name === 'set') return this[name]
    throw new Error(`There is no data named ${name}.`)
  }
}
