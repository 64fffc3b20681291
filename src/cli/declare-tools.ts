import { Argument, type Command } from 'commander'
import { declare, ending, settingsOf, takeJson, takeSettings } from './declaration.ts'
import type { JsonFlag, MigrateFlags } from './options.ts'

export function declareStatus(program: Command): void {
  const command = declare(program, 'status', {
    summary: 'show which store, namespace and agent name are used, and where each comes from',
    details: 'Opens the store to see whether it can be reached.',
    examples: [
      ['holdfast status', 'what a command run here would use'],
      ['holdfast status --json', 'for scripts'],
    ],
  })
  takeJson(takeSettings(command), 'print one JSON object').action((flags: JsonFlag) =>
    ending(import('./commands/status.ts').then(({ status }) => status(settingsOf(command), flags))),
  )
}

export function declareDoctor(program: Command): void {
  const command = declare(program, 'doctor', {
    summary: 'check the store, the clock, the versions, and what was left behind',
    details:
      'Changes nothing, except that handles whose locks are gone are forgotten. Ends with 1 if something is wrong.',
    examples: [
      ['holdfast doctor', 'when something seems odd'],
      ['holdfast doctor --json', 'one JSON array of checks: { check, state, detail }'],
    ],
  })
  takeJson(takeSettings(command), 'print one JSON array').action((flags: JsonFlag) =>
    ending(import('./commands/doctor.ts').then(({ doctor }) => doctor(settingsOf(command), flags))),
  )
}

export function declareMigrate(program: Command): void {
  const command = declare(program, 'migrate', {
    summary: 'install what a database needs to be a store, or bring it up to date',
    details:
      'Not needed where the store may do that by itself, which it does when it is first used. The user that the store is opened with must be allowed to create a schema in the database, or to create in a schema of that name.',
    examples: [
      ['holdfast migrate --store postgres://admin@db.example/app', 'as a user who may create a schema'],
      ['holdfast migrate --role app', 'also lets the role app use it, and nothing more'],
      ['holdfast migrate --sql --role app', 'print the SQL, for somebody to review and to run'],
    ],
  })
  takeSettings(command)
    .option('--sql', 'only print the SQL that would be run on a database without it')
    .option('--role <name>', 'also give a role of the database the right to use the store')
    .action((flags: MigrateFlags) =>
      ending(import('./commands/migrate.ts').then(({ migrate }) => migrate(settingsOf(command), flags))),
    )
}

export function declareDemo(program: Command): void {
  const command = declare(program, 'demo', {
    summary: 'see two agents share a file: first without a lock, then with one',
    details: 'Uses a folder of its own, which it removes; your locks are not touched.',
    examples: [['holdfast demo', 'takes a few seconds']],
  })
  command.action(() => ending(import('./commands/demo.ts').then(({ demo }) => demo())))
}

export function declareCompletion(program: Command): void {
  declare(program, 'completion', {
    summary: 'print the completion script of a shell',
    details: 'Commands, options, paths, and the resources and agents that hold locks.',
    examples: [
      ['source <(holdfast completion bash)', 'in ~/.bashrc'],
      ['source <(holdfast completion zsh)', 'in ~/.zshrc, after compinit'],
      ['holdfast completion fish | source', 'in ~/.config/fish/config.fish'],
    ],
  })
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .action((shell: string) => ending(import('./commands/completion.ts').then(({ completion }) => completion(shell))))
}
