/** For whoever writes a store: the contract that it must keep, and the comparison with the reference. */
export { Actor, type Asking, type Held, type Resources } from './actor.ts'
export { compareStores, type ComparisonOptions } from './comparison.ts'
export { contractCaseNames, contractTopics, storeContract } from './contract.ts'
export { DrivenClock, type MakeHarness, type StoreHarness, type Surroundings } from './harness.ts'
export { histories, type Deed, type History, type Move } from './histories.ts'
export { Player } from './player.ts'
export type { ContractCase, ContractTopic } from './topic.ts'
export { World } from './world.ts'
