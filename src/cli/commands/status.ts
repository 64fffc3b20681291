import { withoutCredentials } from '../../core/store-url.ts'
import { connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { exitCodeOf, messageOf } from '../failure.ts'
import type { JsonFlag } from '../options.ts'
import { paint, plain, print, printJson, printTable } from '../output.ts'
import type { Settings } from '../settings.ts'
import { packageVersion } from '../version.ts'

/** What became of the attempt to open the store. */
interface Reached {
  readonly code: number
  readonly name?: string
  readonly error?: string
}

export async function status(settings: Settings, flags: JsonFlag): Promise<number> {
  const reached = await reach(settings)
  const { store, namespace, agent } = settings
  const shown = { value: withoutCredentials(store.value), source: store.source }
  if (flags.json === true) {
    const { name, error } = reached
    printJson({
      store: { ...shown, name, reachable: error === undefined, error },
      namespace,
      agent,
      version: packageVersion(),
    })
    return reached.code
  }
  printTable(
    ['SETTING', 'VALUE', 'FROM'],
    [
      ['store', reached.name ?? shown.value, shown.source],
      ['namespace', namespace.value, namespace.source],
      ['agent', agent.value, agent.source],
    ],
  )
  print(reached.error === undefined ? 'The store can be reached.' : paint('red', plain(reached.error)))
  return reached.code
}

async function reach(settings: Settings): Promise<Reached> {
  try {
    return await connected(settings, async (connection) => {
      await connection.run({ type: 'list', prefix: '', agentId: '', minAgeMs: 0, after: null })
      return { code: EXIT.ok, name: connection.name }
    })
  } catch (error) {
    const code = exitCodeOf(error)
    if (code !== EXIT.unavailable) throw error
    return { code, error: messageOf(error) }
  }
}
