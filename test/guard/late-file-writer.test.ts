import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../support/processes.ts'
import { describeLateWriter } from './late-writer.ts'

describeLateWriter('file', () => {
  const path = join(temporaryFolder(), 'notes.txt')
  writeFileSync(path, '')
  return path
})
