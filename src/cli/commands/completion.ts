import { SCRIPTS, type Shell } from '../completion/scripts.ts'
import { EXIT } from '../exit-codes.ts'

/** Prints what a shell has to be told once. */
export async function completion(shell: string): Promise<number> {
  process.stdout.write(SCRIPTS[shell as Shell])
  return EXIT.ok
}
