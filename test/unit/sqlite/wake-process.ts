/** A second process for wake.test.ts: obeys the commands that its parent sends, one answer each. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { touchWake, watchWake } from '../../../src/stores/sqlite/wake.ts'

export type WakeCommand =
  | { readonly do: 'touch'; readonly directory: string; readonly names: readonly string[] }
  | { readonly do: 'watch'; readonly directory: string; readonly name: string }
  | { readonly do: 'touchMany'; readonly directory: string; readonly name: string; readonly counter: SharedCounter }

/** A file whose length is the number of touches that were announced before they were made. */
export interface SharedCounter {
  readonly path: string
  readonly to: number
}

async function obey(command: WakeCommand): Promise<unknown> {
  if (command.do === 'touch') return command.names.map((name) => touchWake(command.directory, name))
  if (command.do === 'touchMany') return touchMany(command.directory, command.name, command.counter)
  return watchWake(command.directory, command.name, () => process.send?.('woken')).mode
}

async function touchMany(directory: string, name: string, counter: SharedCounter): Promise<number> {
  for (let made = 1; made <= counter.to; made++) {
    appendFileSync(counter.path, '.')
    touchWake(directory, name)
    // Bursts and breaks: both a full queue of notifications and an idle one.
    if (made % 7 === 0) await sleep(made % 3)
  }
  return counter.to
}

if (process.argv[2] === 'watch-and-end') {
  // Nothing but the watch is left to do, so the process must end by itself.
  const [, , , directory = '', name = ''] = process.argv
  watchWake(directory, name, () => {})
} else {
  process.on('message', (command: WakeCommand) => {
    void obey(command).then((answer) => process.send?.({ answer }))
  })
  process.send?.('ready')
}
