/** A bug put in on purpose: one place of the sources, changed. */
export interface Mutant {
  readonly name: string
  /** What would go wrong for a user. */
  readonly bug: string
  /** Below `src/`. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** The test files that should notice, quickest first. */
  readonly suites: readonly string[]
}
