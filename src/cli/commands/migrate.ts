import { withoutCredentials } from '../../core/store-url.ts'
import { openMigration } from '../../open.ts'
import { UsageError } from '../failure.ts'
import type { MigrateFlags } from '../options.ts'
import { print } from '../output.ts'
import type { Settings } from '../settings.ts'

export async function migrate({ store }: Settings, { sql, role }: MigrateFlags): Promise<void> {
  const migration = await openMigration(store.value)
  if (migration === undefined) {
    const shown = withoutCredentials(store.value)
    throw new UsageError(`The store ${shown} (${store.source}) is no database: there is nothing to migrate.`)
  }
  if (sql === true) {
    process.stdout.write(migration.sql(role))
    return
  }
  const { from, to } = await migration.run(role)
  const done = from === to ? `was up to date: it has version ${to}` : `has version ${to} now`
  print(`The schema ${migration.schema} ${done}.`)
  if (role !== undefined) print(`The role ${role} may use it.`)
}
