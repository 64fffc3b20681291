import type { StoreLimits } from '../core/store.ts'
import type { World } from './world.ts'

/** One sentence of the contract, and how to see whether a store keeps it. */
export interface ContractCase {
  readonly title: string
  /** What the store remembers in this case, where the defaults do not do. */
  readonly limits?: Partial<StoreLimits>
  readonly run: (world: World) => Promise<void>
}

/** Cases that belong together. */
export interface ContractTopic {
  readonly topic: string
  readonly cases: readonly ContractCase[]
}
