import type { Command } from 'commander'
import { declare, ending, settingsOf, takeJson, takeSettings } from './declaration.ts'
import type { JsonFlag, ListFlags, StaleFlags, WatchFlags } from './options.ts'

export function declareLs(program: Command): void {
  const command = declare(program, 'ls', {
    summary: 'list what is locked',
    details: 'One line for each locked resource. All filters must match.',
    examples: [
      ['holdfast ls', 'everything that is locked'],
      ['holdfast ls --mine', 'what you hold'],
      ['holdfast ls --under src --type file', 'what is locked in a folder'],
      ['holdfast ls --waiting', 'who waits in line, and for what'],
      ["holdfast ls --json | jq -r '.[].resourceId'", 'for scripts'],
    ],
  })
  takeJson(takeSettings(command, 'agent'), 'print one JSON array')
    .option('--mine', 'only what you hold; without an agent name: what was acquired from your account')
    .option('--agent <name>', 'only what this agent holds')
    .option('--type <type>', 'only resources of this type, such as file or port')
    .option('--under <path>', 'only this folder and what is in it; or an id, and what is below it')
    .option('--waiting', 'list those who wait in line instead')
    .action((flags: ListFlags) =>
      ending(import('./commands/ls.ts').then(({ ls }) => ls(settingsOf(command, 'agent'), flags))),
    )
}

export function declareShow(program: Command): void {
  const command = declare(program, 'show', {
    summary: 'show who holds a resource, who waits for it, and who held it last',
    details: 'Ends with 0 whether or not it is locked.',
    examples: [
      ['holdfast show src/main.ts', 'a file'],
      ['holdfast show port:5432 --json', 'as JSON: { resourceId, scope, locked, holders, waiting, previous }'],
    ],
  })
  takeJson(takeSettings(command), 'print one JSON object')
    .argument('<RESOURCE>', 'an id such as port:5432, or a path')
    .action((resource: string, flags: JsonFlag) =>
      ending(import('./commands/show.ts').then(({ show }) => show(settingsOf(command), resource, flags))),
    )
}

export function declareWatch(program: Command): void {
  const command = declare(program, 'watch', {
    summary: 'print what happens to the locks, as it happens',
    details:
      'Events of every process, until it is interrupted. With --json each event is one line of JSON, not an element of ' +
      'an array, so that a reader need not wait for the end. Where the log no longer has what --since asks for, there ' +
      'is one event of the type gap, and then the oldest that it still has.',
    examples: [
      ['holdfast watch', 'from now on'],
      ['holdfast watch --json --since "$cursor"', "from after an event's cursor"],
      ['holdfast watch | head -1', 'the next event'],
    ],
  })
  takeJson(takeSettings(command), 'print one JSON object per line')
    .option('--since <cursor>', 'what came after this event, then go on')
    .action((flags: WatchFlags) =>
      ending(import('./commands/watch.ts').then(({ watch }) => watch(settingsOf(command), flags))),
    )
}

export function declareStale(program: Command): void {
  const command = declare(program, 'stale', {
    summary: 'list locks that are held for very long',
    details: 'However often they were extended. Ends with 1 if there are any, with 0 if there are none.',
    examples: [
      ['holdfast stale --max-age 1h', 'held for more than an hour'],
      ['holdfast stale --max-age 30m --json', 'for scripts; the exit code tells already'],
    ],
  })
  takeJson(takeSettings(command), 'print one JSON array')
    .requiredOption('--max-age <duration>', 'such as 10m, 1h, 2d')
    .action((flags: StaleFlags) =>
      ending(import('./commands/stale.ts').then(({ stale }) => stale(settingsOf(command), flags))),
    )
}
