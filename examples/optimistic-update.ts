// No lock at all: write only if nobody else has written since, otherwise start over.
// For changes that are quick to repeat and seldom meet.
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileTarget, isResourceLockError, optimisticUpdate, type OptimisticTarget } from 'holdfast'

await using folder = await mkdtempDisposable(join(tmpdir(), 'holdfast-example-'))
const path = join(folder.path, 'counter.txt')
await writeFile(path, '0')

// A text file: its content tells whether somebody else has written.
const increment = () => optimisticUpdate(fileTarget(path), (text) => String(Number(text) + 1), { attempts: 100 })
await Promise.all([increment(), increment(), increment(), increment(), increment()])
console.log(`five increments at once: ${await readFile(path, 'utf8')}`)

// Anything with a version will do: a row with a version column, an object with an ETag.
const row = { title: 'draft', version: 1 }
const target: OptimisticTarget<string, number> = {
  read: async () => ({ value: row.title, version: row.version }),
  // In SQL: UPDATE … SET title = ?, version = version + 1 WHERE version = ?
  writeIf: async (version, title) => {
    if (row.version !== version) return false
    Object.assign(row, { title, version: version + 1 })
    return true
  },
}

let runs = 0
await optimisticUpdate(target, (title) => {
  // This may run several times, so it only computes. Here somebody else is quicker, the first time.
  runs += 1
  if (runs === 1) Object.assign(row, { title: 'second draft', version: 2 })
  return `${title}, reviewed`
})
console.log(`version ${row.version} after ${runs} runs: ${row.title}`)

// Where it meets somebody every time it gives up, and a lock is the better choice.
try {
  const busy = { ...target, writeIf: async () => false }
  await optimisticUpdate(busy, (title) => title, { attempts: 3 })
} catch (error) {
  if (!isResourceLockError(error, 'BUSY')) throw error
  console.log('too much going on: nothing was written')
}
