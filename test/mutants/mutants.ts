import type { Mutant } from './mutant.ts'
import { portMutants } from './port-mutants.ts'
import { sessionMutants } from './session-mutants.ts'
import { tableMutants } from './table-mutants.ts'

export const mutants: readonly Mutant[] = [...tableMutants, ...sessionMutants, ...portMutants]
