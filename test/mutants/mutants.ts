import type { Mutant } from './mutant.ts'
import { sessionMutants } from './session-mutants.ts'
import { tableMutants } from './table-mutants.ts'

export const mutants: readonly Mutant[] = [...tableMutants, ...sessionMutants]
