/**
 * Plays updates of one guarded file whose file system calls come in a random order, one at a time:
 * `node race-program.ts <folder> <first seed> <how many seeds>`. Prints what was wrong, as JSON.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isResourceLockError } from '../../src/core/errors.ts'
import { guardedUpdateFile } from '../../src/guard/index.ts'
import { beforeEachStep } from './file-steps.ts'

const [, , folder = '', firstSeed = '', count = ''] = process.argv
const WRITERS = 5
/** In how many of ten steps the same writer goes on. */
const STAYING = 8
/** Whoever is about to make a call, in the order in which they came there. */
const waiting: (() => void)[] = []

await beforeEachStep(() => new Promise((resolve) => waiting.push(resolve)))

let state = 0
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

/** What one writer found and did. */
interface Written {
  readonly token: number
  readonly read: string
}

const [wrong, totals]: [object[], { written: number; refused: number }] = [[], { written: 0, refused: 0 }]
for (let seed = Number(firstSeed); seed < Number(firstSeed) + Number(count); seed += 1) await play(seed)
process.stdout.write(JSON.stringify({ wrong, ...totals }))

async function play(seed: number): Promise<void> {
  state = seed
  mkdirSync(join(folder, String(seed)))
  const path = join(folder, String(seed), 'data')
  writeFileSync(path, '')
  const written: Written[] = []
  const unfinished = new Set<number>()
  const update = async (token: number): Promise<void> => {
    let read = ''
    unfinished.add(token)
    try {
      await guardedUpdateFile({ fencingToken: token }, path, (text) => {
        read = text ?? ''
        return `${read}${token} `
      })
      written.push({ token, read })
      totals.written += 1
    } catch (error) {
      if (!isResourceLockError(error, 'FENCED_OUT')) wrong.push({ seed, token, error: String(error) })
      totals.refused += 1
    } finally {
      unfinished.delete(token)
    }
  }
  // Tokens 1 to 5 begin in any order; the highest is always let in.
  const all = Array.from({ length: WRITERS }, (_, at) => update(at + 1))
  while (unfinished.size > 0) {
    // Mostly whoever has just moved goes on, so that some get to their end before a later one begins.
    const next = random(10) < STAYING ? waiting.length - 1 : random(waiting.length)
    waiting.splice(next, 1)[0]?.()
    // The call is made in another thread; the next begins when this one has returned and its writer waits again, or is done.
    const before = waiting.length + 1
    while (waiting.length < Math.min(before, unfinished.size))
      await new Promise((resolve) => void setImmediate(resolve))
  }
  await Promise.all(all)
  judge(seed, path, written)
}

/** Each update that was written stands on all before it, the tokens rise, and only the last one is left in the folder. */
function judge(seed: number, path: string, written: readonly Written[]): void {
  const tokens = written.map(({ token }) => token).toSorted((a, b) => a - b)
  const expected = tokens.map((token) => `${token} `).join('')
  const content = readFileSync(path, 'utf8')
  const left = readdirSync(join(path, '../.data.fence'))
  const good = content === expected && tokens.at(-1) === WRITERS && left.join() === String(WRITERS)
  if (!good) wrong.push({ seed, content, written, left })
}
