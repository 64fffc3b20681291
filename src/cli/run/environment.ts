import type { Lock } from '../../core/lock/lock.ts'
import { randomId } from '../../core/random-id.ts'
import { claimText } from '../../core/resource/resource.ts'
import { newActivity } from '../../core/session/activity.ts'
import { show } from '../../core/show.ts'
import { UsageError } from '../failure.ts'

const CHAIN = 'HOLDFAST_CHAIN'
const RUN = 'HOLDFAST_RUN'

/**
 * The chain that this run belongs to: that of the run around it, so that one which would wait for its own parent is
 * found to be a deadlock at once; or one of its own.
 *
 * A tree of commands counts as one sequential activity. One that starts several runs at the same time and has them wait
 * for each other's strangers may be told of a deadlock that is none: it starts them without the variable
 * (`env -u HOLDFAST_CHAIN holdfast run …`). For the same reason the library does not take the chain from the
 * environment by itself: a program may do many things at a time, and what one of them holds is not the other's.
 *
 * @throws UsageError if the variable holds what no chain can be
 */
export function chainFrom(env: NodeJS.ProcessEnv): string {
  const chain = env[CHAIN] ?? ''
  if (chain === '') return newActivity().chain
  if (/^[\w-]{16,64}$/.test(chain)) return chain
  throw new UsageError(`${CHAIN}: ${show(chain)} is not what holdfast has put there: remove it from the environment.`)
}

/**
 * What the command finds in its environment.
 *
 * `HOLDFAST_RUN` marks all that it starts: `/proc` shows the environment that a process was started with, so they are
 * found even if they have left the process group and lost their parent. It is a path, one part for each run around it.
 */
export function environmentOf(
  lock: Lock,
  chain: string,
  env: NodeJS.ProcessEnv,
): { env: NodeJS.ProcessEnv; mark: string } {
  const mark = `run-${randomId()}`
  const outer = env[RUN] ?? ''
  return {
    mark,
    env: {
      ...env,
      // Ids hold no control characters, but may hold anything else.
      HOLDFAST_RESOURCES: lock.resources.map(claimText).join('\n'),
      HOLDFAST_FENCE: String(lock.fencingToken),
      HOLDFAST_AGENT: lock.agentId,
      HOLDFAST_EXPIRES_AT: lock.expiresAt.toISOString(),
      [CHAIN]: chain,
      [RUN]: outer === '' ? mark : `${outer}/${mark}`,
    },
  }
}
