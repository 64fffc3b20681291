// Holdfast for a harness that compares lock libraries: the built package, on the Redis whose port it is given.
import { ResourceLockManager, redisStore } from '../../dist/index.js'

const SENT = ['fcall', 'evalsha', 'eval', 'subscribe', 'script|load']

/** @param {string} id @param {{ events?: number, previous?: number }} limits */
function contender(id, limits) {
  return {
    id,
    kind: 'lib',
    notify: true,
    net: SENT,
    /** @param {{ port: number }} options */
    async open({ port }) {
      const store = redisStore(`redis://127.0.0.1:${port}`, { limits })
      const locks = new ResourceLockManager({ store, metrics: false })
      await locks.connect()
      return {
        /** @param {string} key @param {number} ttlMs */
        acquire: (key, ttlMs) =>
          locks.acquire(key, { agentId: 'bench', timeout: `${ttlMs}ms`, waitTimeout: 'forever' }),
        /** @param {import('../../dist/index.js').Lock} lock */
        release: (lock) => lock.release(),
        close: () => locks.close(),
      }
    },
  }
}

export default [
  contender('holdfast (redis)', {}),
  contender('holdfast (redis) without events', { events: 0, previous: 0 }),
]
