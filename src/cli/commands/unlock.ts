import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { LockInfo } from '../../core/model.ts'
import { claimText, parseResource } from '../../core/resource/resource.ts'
import { lastActivityOf } from '../activity-log.ts'
import { type Connection, connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { Failure, UsageError } from '../failure.ts'
import { interruptible } from '../interruption.ts'
import type { UnlockFlags } from '../options.ts'
import { plain, print, printJson } from '../output.ts'
import { anonymousTokens } from '../owned.ts'
import { resourceOf } from '../resources.ts'
import type { Settings } from '../settings.ts'
import { holderLines, stateOf } from './show.ts'

export async function unlock(settings: Settings, resource: string, flags: UnlockFlags): Promise<number> {
  const { force, reason, yes } = flags
  if (force !== true) {
    throw new UsageError('unlock ends the lock of somebody who may be working: say that you mean it with --force.')
  }
  if (reason === undefined || reason === '') throw new UsageError('unlock tells the holder why: give a --reason.')
  if (yes !== true && !(process.stdin.isTTY && process.stderr.isTTY)) {
    throw new UsageError('There is no terminal to ask on: say yes beforehand with --yes.')
  }
  return interruptible((signal) =>
    connected(
      settings,
      async (connection) => {
        const asked = resourceOf(resource, settings.store)
        const { holders } = await stateOf(connection, asked)
        if (holders.length === 0) throw new Failure(`${claimText(parseResource(asked))} is not locked.`)
        for (const line of await describe(connection, settings, holders)) process.stderr.write(`${line}\n`)
        if (yes !== true && !(await isConfirmed(holders.length, signal))) throw new Failure('Nothing was ended.')
        const ended = await end(connection, settings, asked, holders, reason)
        if (flags.json === true) printJson(ended)
        else for (const info of ended) print(plain(`Ended the lock of ${info.agentId} on ${claimText(info)}.`))
        if (ended.length === 0)
          throw new Failure('The lock that was shown had already ended by itself; nothing was done.')
        return EXIT.ok
      },
      signal,
    ),
  )
}

async function describe(
  connection: Connection,
  settings: Settings,
  holders: readonly LockInfo[],
): Promise<readonly string[]> {
  const own = anonymousTokens(connection, settings)
  const activity = await lastActivityOf(connection, new Set(holders.map(({ agentId }) => agentId)))
  return holders.flatMap((info) => {
    return [
      ...holderLines(info),
      plain(`    last activity: ${activity.get(info.agentId) ?? 'none that is remembered'}`),
      ...selfLines(info, settings, own.has(info.fencingToken)),
    ]
  })
}

function selfLines({ agentId }: LockInfo, { agent }: Settings, isOfAccount: boolean): readonly string[] {
  if (agentId === agent.value) return ['    this is yourself: holdfast release needs no force']
  if (!isOfAccount) return []
  return [plain(`    acquired from your account: if it was you, holdfast release --agent '${agentId}' needs no force`)]
}

async function isConfirmed(count: number, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // It takes Ctrl-C for itself; an end of the input is an answer, too.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const ended = once(terminal, 'close').then(() => '')
  try {
    const what = count === 1 ? 'this lock' : `these ${count} locks`
    const answer = await Promise.race([terminal.question(`End ${what}? [y/N] `, { signal }), ended])
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}

/** Only what was shown: whoever has got the resource since keeps it. */
async function end(
  { inspection }: Connection,
  settings: Settings,
  resource: string,
  holders: readonly LockInfo[],
  reason: string,
): Promise<LockInfo[]> {
  const ended: LockInfo[] = []
  for (const fencingToken of new Set(holders.map((info) => info.fencingToken))) {
    const options = { adminAgentId: settings.agent.value, reason, fencingToken }
    ended.push(...(await inspection.forceUnlock(resource, options)))
  }
  return ended
}
