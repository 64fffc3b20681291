/**
 * For whoever writes a store: the contract that it must keep, the comparison with the reference, and the history checker.
 * Needs Vitest and fast-check; `holdfast/testing/history` is the history checker alone, which needs neither.
 */
import '../core/node-version.ts'

export { Actor, type Asking, type Held, type Resources } from './actor.ts'
export { compareStores, type ComparisonOptions } from './comparison.ts'
export { contractCaseNames, contractTopics, storeContract } from './contract.ts'
export { DrivenClock, type MakeHarness, type StoreHarness, type Surroundings } from './harness.ts'
export { histories, type Deed, type History, type Move } from './histories.ts'
export * from './history/index.ts'
export { Player } from './player.ts'
export type { ContractCase, ContractTopic } from './topic.ts'
export { World } from './world.ts'
