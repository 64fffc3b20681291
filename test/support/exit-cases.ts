import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runToEnd } from './processes.ts'

/** A process that has not ended by then will not end by itself. */
const DEADLINE_MS = 30_000

const PROGRAM = join(import.meta.dirname, '../e2e/exit-process.ts')

/** A process ends when its own work has, whatever its manager still holds. @param fresh the URL of a store of its own */
export function exitCases(store: string, fresh: () => string | Promise<string>): void {
  describe(`a process with a manager on ${store}`, () => {
    test.each([
      ['has used everything and closed leaves nothing, and', 'everything', 'aborted\nCLOSED\nresources []\n'],
      ['never closes, and holds a lock,', 'holds', 'holds\n'],
      ['never closes, and has nothing to do,', 'idles', 'false\n'],
      ['awaits a lock stays alive until it has it, and', 'waits', 'granted true\n'],
      ['awaits a lock for a while stays alive until that is over, and', 'waits a while', 'WAIT_TIMEOUT\n'],
      ['watches stays alive until it has seen enough, and', 'watches', 'resource.expired\n'],
    ])('that %s exits by itself', async (_, what, output) => {
      const ended = await runToEnd(PROGRAM, [what, await fresh()], DEADLINE_MS)
      expect(ended).toEqual({ code: 0, signal: null, output, errors: '' })
    })
  })
}
