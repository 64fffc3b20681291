import { join } from 'node:path'
import { exitCases } from '../support/exit-cases.ts'
import { temporaryFolder } from '../support/processes.ts'

exitCases('memory', () => 'memory:')
exitCases('sqlite', () => `sqlite:${join(temporaryFolder(), 'locks.db')}`)
