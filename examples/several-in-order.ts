// Several locks one after the other: always in the same order, so that no two agents block each other.
import { memoryStore, ResourceLockManager } from 'holdfast'

// Two managers on one store are two processes, as far as locks are concerned.
const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })

const balance = new Map([
  ['state:account/1', 100],
  ['state:account/2', 100],
])

async function transfer(locks: ResourceLockManager, agentId: string, from: string, to: string, amount: number) {
  // Whoever needs both takes the one first that sorts first. If each began with the account that it takes
  // the money from, two transfers in opposite directions could each hold what the other one needs. (Nobody would
  // wait for ever: inside of `withLock` that is noticed, and one of them fails with DEADLOCK.)
  const [first = from, second = to] = [from, to].toSorted()
  await locks.withLock(first, { agentId, reason: 'transfer' }, async () => {
    await locks.withLock(second, { agentId, reason: 'transfer' }, async (lock) => {
      const [source, target] = [balance.get(from) ?? 0, balance.get(to) ?? 0]
      await new Promise((resolve) => setTimeout(resolve, 5)) // the work takes time
      lock.assertHeld()
      balance.set(from, source - amount).set(to, target + amount)
    })
  })
}

const transfers = []
for (let round = 0; round < 5; round++) {
  transfers.push(transfer(a, 'agent-a', 'state:account/1', 'state:account/2', 10))
  transfers.push(transfer(b, 'agent-b', 'state:account/2', 'state:account/1', 4))
}
await Promise.all(transfers)

for (const [account, amount] of balance) console.log(`${account}: ${amount}`)

// Where all is known from the start, ask for it at once: see several-at-once.ts.
