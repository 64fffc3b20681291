/** A way of locking, opened on one server. */
export interface Opened {
  /** Resolves once the resource is held, with what gives it back; that resolves when the server has confirmed. */
  readonly acquire: (resource: string) => Promise<() => Promise<unknown>>
  readonly close: () => Promise<void>
}

/** Opens one on a server. */
export type Open<Server> = (server: Server) => Promise<Opened>

/** Several contenders, open at the same time, each with the name that tables use. */
export class Contenders<Name extends string> {
  readonly titles: Readonly<Record<Name, string>>
  readonly #opened: readonly (readonly [Name, Opened])[]

  private constructor(titles: Readonly<Record<Name, string>>, opened: readonly (readonly [Name, Opened])[]) {
    this.titles = titles
    this.#opened = opened
  }

  static async open<Name extends string, Server>(
    known: Readonly<Record<Name, { readonly title: string; readonly open: Open<Server> }>>,
    names: readonly Name[],
    server: Server,
  ): Promise<Contenders<Name>> {
    const opened: (readonly [Name, Opened])[] = []
    for (const name of names) opened.push([name, await known[name].open(server)])
    const titles = Object.fromEntries(names.map((name) => [name, known[name].title])) as Record<Name, string>
    return new Contenders(titles, opened)
  }

  get names(): readonly Name[] {
    return this.#opened.map(([name]) => name)
  }

  entries(): readonly (readonly [Name, Opened])[] {
    return this.#opened
  }

  /** The same for each. */
  map<T>(each: (name: Name, contender: Opened) => T): Readonly<Record<Name, T>> {
    return Object.fromEntries(this.#opened.map(([name, opened]) => [name, each(name, opened)])) as Record<Name, T>
  }

  async close(): Promise<void> {
    for (const [, contender] of this.#opened) await contender.close()
  }
}
