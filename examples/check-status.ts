// Who holds what, why, and who waits for it.
import { ResourceLockManager } from 'holdfast'

await using locks = new ResourceLockManager({ store: 'memory:' })

const held = await locks.acquire(['file:src/api.ts', 'file:src/db.ts'], {
  agentId: 'agent-a',
  reason: 'rename a table',
  metadata: { ticket: 'DB-7' },
  timeout: '5m',
})

console.log(`locked: ${await locks.isLocked('file:src/api.ts')}`)
console.log(`owner: ${await locks.getOwner('file:src/api.ts')}`)
console.log(`owner of something free: ${await locks.getOwner('file:README.md')}`)

// Somebody queues up. The holder is told, and everybody can see it.
const isWanted = new Promise((resolve) => held.onWanted(resolve))
const waiting = locks.acquire('file:src/db.ts', { agentId: 'agent-b' })
await isWanted

const info = await locks.getLockInfo('file:src/db.ts')
if (info === null) throw new Error('it was released meanwhile')
const minutes = Math.round((info.expiresAt.getTime() - info.lockedAt.getTime()) / 60_000)
console.log(`${info.resourceId}: ${info.agentId}, '${info.reason}', metadata ${JSON.stringify(info.metadata)}`)
console.log(`taken for ${minutes} minutes, together with ${info.resources.length - 1} more, ${info.waiters} waiting`)

// A lock on two resources is two entries: filters are `agentId`, `resourceType` and `prefix`.
for await (const each of locks.listLocks({ prefix: 'file:src/' })) {
  console.log(`list: ${each.resourceId} ${each.mode} ${each.agentId}`)
}

await held.release()
console.log(`owner afterwards: ${(await waiting).agentId}`)
