/**
 * A process that updates a guarded file once, and stops or dies before a certain step of it:
 * `node step-program.ts <file> <token> <word> <what happens> <before which step>`.
 */
import { isResourceLockError } from '../../src/core/errors.ts'
import { guardedUpdateFile } from '../../src/guard/index.ts'
import { beforeEachStep } from './file-steps.ts'

const [, , path = '', token = '', word = '', what = '', at = ''] = process.argv
const steps: string[] = []

await beforeEachStep(async ({ name, half }) => {
  steps.push(name)
  if (what === 'none' || steps.length !== Number(at)) return
  if (what === 'half') await half?.()
  process.kill(process.pid, what === 'SIGSTOP' ? 'SIGSTOP' : 'SIGKILL')
})

const outcome = await guardedUpdateFile({ fencingToken: Number(token) }, path, (text) => `${text ?? ''}${word}`).then(
  () => 'written',
  (error: unknown) => (isResourceLockError(error) ? error.code : String(error)),
)
process.send?.({ outcome, steps }, () => process.disconnect())
