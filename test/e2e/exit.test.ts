import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Ended, runToEnd, temporaryFolder } from '../support/processes.ts'

const DEADLINE_MS = 15_000
const script = join(import.meta.dirname, 'exit-process.ts')

function run(what: string, store: string): Promise<Ended> {
  const url = store === 'sqlite' ? `sqlite:${join(temporaryFolder(), 'locks.db')}` : 'memory:'
  return runToEnd(script, [what, url], DEADLINE_MS)
}

describe.for(['memory', 'sqlite'])('a process with a manager on %s', (store) => {
  test('that has used everything and closed leaves nothing, and exits by itself', async () => {
    const { code, signal, output, errors } = await run('everything', store)
    expect({ code, signal, errors }).toEqual({ code: 0, signal: null, errors: '' })
    expect(output).toBe('aborted\nCLOSED\nresources []\n')
  })

  test('that never closes exits by itself while it holds a lock', async () => {
    expect(await run('holds', store)).toEqual({ code: 0, signal: null, output: 'holds\n', errors: '' })
  })

  test('that never closes exits by itself when it has nothing to do', async () => {
    expect(await run('idles', store)).toEqual({ code: 0, signal: null, output: 'false\n', errors: '' })
  })

  test('that awaits a lock stays alive until it has it', async () => {
    expect(await run('waits', store)).toEqual({ code: 0, signal: null, output: 'granted true\n', errors: '' })
  })

  test('that awaits a lock for a while stays alive until that is over', async () => {
    expect(await run('waits a while', store)).toEqual({ code: 0, signal: null, output: 'WAIT_TIMEOUT\n', errors: '' })
  })

  test('that watches stays alive until it has seen enough', async () => {
    expect(await run('watches', store)).toEqual({ code: 0, signal: null, output: 'resource.expired\n', errors: '' })
  })
})
