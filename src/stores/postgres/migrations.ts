import { NotExecutedError } from '../../core/store.ts'
import type { PostgresClient, Run } from './clients/client.ts'
import { literal } from './clients/literal.ts'
import { lacksSchema } from './failures.ts'
import { ENTRY_POINTS, functionsSql, quoteName, SCHEMA_VERSION, tablesSql } from './schema.ts'

/** What leads the tables from one version to the next: the first from nothing to version 1. */
const STEPS: readonly ((schema: string) => string)[] = [tablesSql]

/** Whether what is installed was made by another version of this package. */
export interface Installation {
  /** 0 where nothing is installed. */
  readonly from: number
  readonly to: number
}

/**
 * Makes sure that the schema is there and is this version's.
 *
 * @param mayMigrate whether it may be installed and brought up to date; else that is an error
 * @throws StoreUnavailableError that says what to do
 */
export async function ensureSchema(client: PostgresClient, schema: string, mayMigrate: boolean): Promise<Installation> {
  const version = await installedVersion(client, schema)
  if (version < SCHEMA_VERSION && mayMigrate) return migrate(client, schema)
  refuseOther(client.name, schema, version)
  return { from: version, to: version }
}

/** The SQL that {@link ensureSchema} would run on a database where nothing is installed. */
export function installationSql(schema: string): string {
  return `BEGIN;\n${createSchemaSql(schema)}${stepsSql(schema, 0)}COMMIT;\n`
}

/** What lets a role use the store, and nothing else in the schema. */
export function grantsSql(schema: string, role: string): string {
  const functions = [...ENTRY_POINTS, 'schema_version()'].map((signature) => `${quoteName(schema)}.${signature}`)
  return [
    `GRANT USAGE ON SCHEMA ${quoteName(schema)} TO ${quoteName(role)};`,
    `GRANT EXECUTE ON FUNCTION ${functions.join(', ')} TO ${quoteName(role)};`,
    '',
  ].join('\n')
}

async function installedVersion(client: PostgresClient, schema: string): Promise<number> {
  const text = `SELECT ${quoteName(schema)}.schema_version()::text AS version, current_setting('server_encoding') AS encoding`
  try {
    const [row] = await client.query(text, [])
    refuseEncoding(client.name, row?.['encoding'])
    return Number(row?.['version'])
  } catch (error) {
    if (lacksSchema(error)) return 0
    throw error
  }
}

/** One process does it, and the others wait for that. It is done as a whole or not at all. */
async function migrate(client: PostgresClient, schema: string): Promise<Installation> {
  return client.transaction(async (run) => {
    await run(`SELECT pg_advisory_xact_lock(hashtextextended(${literal(`holdfast ${schema}`)}, 0))`)
    const [encoding] = await run("SELECT current_setting('server_encoding') AS encoding")
    refuseEncoding(client.name, encoding?.['encoding'])
    const from = await versionWithin(run, schema)
    if (from >= SCHEMA_VERSION) {
      refuseOther(client.name, schema, from)
      return { from, to: from }
    }
    const schemas = await run(`SELECT 1 AS found FROM pg_catalog.pg_namespace WHERE nspname = ${literal(schema)}`)
    // Asked for only where it is missing: even IF NOT EXISTS takes the right to make schemas in the database.
    if (schemas.length === 0) await run(createSchemaSql(schema))
    await run(stepsSql(schema, from))
    return { from, to: SCHEMA_VERSION }
  })
}

/** Looks before it calls, because an error would end the transaction. */
async function versionWithin(run: Run, schema: string): Promise<number> {
  const found = await run(
    `SELECT 1 AS found FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = ${literal(schema)} AND p.proname = 'schema_version'`,
  )
  if (found.length === 0) return 0
  const [row] = await run(`SELECT ${quoteName(schema)}.schema_version()::text AS version`)
  return Number(row?.['version'])
}

function createSchemaSql(schema: string): string {
  return `CREATE SCHEMA ${quoteName(schema)};\n`
}

/** The functions are made anew with each version; nobody but the owner may call one who is not granted it. */
function stepsSql(schema: string, from: number): string {
  const name = quoteName(schema)
  return [
    `CREATE TABLE IF NOT EXISTS ${name}.installations (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());`,
    ...STEPS.slice(from).map((step) => step(schema)),
    functionsSql(schema),
    `CREATE OR REPLACE FUNCTION ${name}.schema_version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ${SCHEMA_VERSION}';`,
    `REVOKE ALL ON ALL ROUTINES IN SCHEMA ${name} FROM PUBLIC;`,
    `INSERT INTO ${name}.installations (version) SELECT generate_series(${from + 1}, ${SCHEMA_VERSION});`,
    '',
  ].join('\n')
}

function refuseOther(server: string, schema: string, version: number): void {
  if (version === SCHEMA_VERSION) return
  const where = `the schema ${quoteName(schema)} of ${server}`
  if (version > SCHEMA_VERSION) {
    throw new NotExecutedError(
      `A later version of Holdfast has made ${where}: it has version ${version}, and this one knows version ${SCHEMA_VERSION}. Upgrade Holdfast here, or name another schema.`,
    )
  }
  const found = version === 0 ? 'is not installed' : `has version ${version}, and this one needs ${SCHEMA_VERSION}`
  throw new NotExecutedError(
    `What Holdfast needs in ${where} ${found}. Run 'holdfast migrate' as a user who may create it, or leave the option migrate out.`,
  )
}

function refuseEncoding(server: string, encoding: unknown): void {
  if (encoding === 'UTF8') return
  throw new NotExecutedError(
    `${server} has the encoding ${String(encoding)}, and agents and resources may have any name. Use a database with the encoding UTF8.`,
  )
}
