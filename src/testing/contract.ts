/**
 * The contract of a store: every sentence of the lock model for which the store is responsible, as a test at the level
 * of {@link LockStore}. Whoever writes a store runs it with {@link storeContract}.
 */
import { acknowledgingTopic } from './cases/acknowledging.ts'
import { boundsTopic } from './cases/bounds.ts'
import { chainTopic } from './cases/chains.ts'
import { conflictTopic } from './cases/conflicts.ts'
import { deadlockTopic } from './cases/deadlocks.ts'
import { eventTopic } from './cases/events.ts'
import { expiryTopic } from './cases/expiry.ts'
import { fencingTopic } from './cases/fencing.ts'
import { forceTopic } from './cases/force.ts'
import { grantingTopic } from './cases/granting.ts'
import { leavingTopic } from './cases/leaving.ts'
import { listingTopic } from './cases/listing.ts'
import { ownershipTopic } from './cases/ownership.ts'
import { previousTopic } from './cases/previous.ts'
import { pushTopic } from './cases/pushes.ts'
import { quickTopics } from './cases/quick-steps.ts'
import { reentryTopic } from './cases/reentry.ts'
import { sessionTopic } from './cases/sessions.ts'
import { severalResourcesTopic } from './cases/several-resources.ts'
import type { MakeHarness } from './harness.ts'
import { describe, test } from './test-tools.ts'
import type { ContractTopic } from './topic.ts'
import { World } from './world.ts'

/** The contract, topic by topic. */
export const contractTopics: readonly ContractTopic[] = [
  conflictTopic,
  grantingTopic,
  severalResourcesTopic,
  leavingTopic,
  chainTopic,
  reentryTopic,
  deadlockTopic,
  boundsTopic,
  expiryTopic,
  sessionTopic,
  pushTopic,
  acknowledgingTopic,
  ...quickTopics,
  ownershipTopic,
  fencingTopic,
  previousTopic,
  forceTopic,
  listingTopic,
  eventTopic,
]

/** What a run of the suite for one store must have passed: `topic > title`, in order. */
export const contractCaseNames: readonly string[] = contractTopics.flatMap(({ topic, cases }) =>
  cases.map(({ title }) => `${topic} > ${title}`),
)

/**
 * Registers the whole contract for one store with Vitest.
 *
 * @param name what the store is called in the report
 * @param makeHarness makes a fresh namespace of the store, for each case one
 */
export function storeContract(name: string, makeHarness: MakeHarness): void {
  describe(`the ${name} store keeps the contract`, () => {
    for (const { topic, cases } of contractTopics) {
      describe(topic, () => {
        for (const { title, limits, run } of cases) {
          test(title, async () => {
            const world = await World.open(makeHarness, limits)
            try {
              await run(world)
            } finally {
              await world.close()
            }
          })
        }
      })
    }
  })
}
