import type { Operation } from './operation.ts'

/**
 * What one resource does when operations reach it one after the other. A state is immutable.
 *
 * An operation of unknown outcome is asked for as if it had been done; that it may not have been is the search's part.
 */
export interface LockModel<State> {
  readonly name: string
  readonly initial: State
  /** The state after the operation; null where it could not have had this outcome. */
  readonly step: (state: State, operation: Operation) => State | null
  /** Equal for equal states. */
  readonly keyOf: (state: State) => string
  /** For a person. */
  readonly describe: (state: State) => string
  /** Whether the first must come before the second although they overlap in time. Default: never. */
  readonly precedes?: (first: Operation, second: Operation) => boolean
}
