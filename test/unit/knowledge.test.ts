import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Knowledge } from '../../src/core/session/knowledge.ts'
import type { Batch, LockStore, Message } from '../../src/core/store.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { manager } from '../support/managers.ts'

test('a batch says what the answer before it has given, also where it is sent before that is handed out', async () => {
  const batches: Batch[] = []
  const inner = await memoryStore().open('x')
  let next: Promise<unknown> | undefined
  const store: LockStore = {
    name: 'remote',
    takesTurns: true,
    apply: async (batch) => {
      batches.push(batch)
      next ??= locks.acquire('r:b', { agentId: 'a' })
      // Until then it has joined the line for the next batch.
      await nextTurn()
      return inner.apply(batch)
    },
    subscribe: (session, listener) => inner.subscribe(session, listener),
    follow: (onGrowth) => inner.follow(onGrowth),
    close: () => inner.close(),
  }
  const locks = manager({ store: { open: async () => store } })
  const lock = await locks.acquire('r:a', { agentId: 'a' })
  await next
  expect(batches).toMatchObject([
    { number: 1, answered: 0, lastId: 0, floor: 0 },
    { number: 2, answered: 1, lastId: 1, floor: lock.fencingToken },
  ])
})

test('a message is named in every batch until one is answered that acknowledges it', () => {
  const knowledge = new Knowledge()
  const messages = [1, 2, 3].map((number): Message => ({ number, type: 'wanted', id: 7, waiters: number }))
  for (const message of messages.slice(0, 2)) knowledge.add(message)
  const { header } = knowledge
  expect(header).toMatchObject({ acked: 2, received: messages.slice(0, 2) })
  for (const message of messages.slice(2)) knowledge.add(message)
  expect(knowledge.header).toMatchObject({ acked: 3, received: messages })
  knowledge.acknowledge(header.acked)
  expect(knowledge.header).toMatchObject({ acked: 3, received: messages.slice(2) })
  knowledge.startOver()
  expect(knowledge.header).toMatchObject({ acked: 0, received: [] })
})
