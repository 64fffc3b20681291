import type { LockStore, StoreLimits } from '../core/store.ts'

/** What a case needs of the namespace that it runs in. */
export interface Surroundings {
  readonly limits: Partial<StoreLimits>
}

/** One fresh namespace of a store, made for one case. */
export interface StoreHarness {
  /** Opens a connection to the namespace, independent of the earlier ones. */
  connect(): Promise<LockStore>
  /** Resolves once the store's clocks have gone on by this much. Default: really waits. */
  advance?(ms: number): Promise<void>
  /** Takes away what the namespace was made of; the connections are closed already. */
  dispose?(): Promise<void>
}

/** Makes a namespace that nobody has used before. */
export type MakeHarness = (surroundings: Surroundings) => Promise<StoreHarness>

/** A clock that only goes on when told to; memory and SQLite stores accept it as their option `clock`. */
export class DrivenClock {
  #leaseMs = 1_000_000
  #wallMs = 1_700_000_000_000
  readonly leaseMs = (): number => this.#leaseMs
  readonly wallMs = (): number => this.#wallMs
  readonly advance = async (ms: number): Promise<void> => {
    this.#leaseMs += ms
    this.#wallMs += ms
  }
}
