import { readBeside } from '../../core/disk/source-text.ts'

/** What the SQL of this version makes. A store meets a newer one with a refusal, and leads an older one up to here. */
export const SCHEMA_VERSION = 1

/**
 * The types of what `apply` in `table/table.sql` takes: namespace, session and epoch, the numbers of the batch, what it
 * has received and is to do, its only step, and the durability.
 */
export const APPLY_TYPES: readonly string[] = [
  'text, text, text',
  'bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint',
  'text, boolean, text',
  'text, bigint, text, text, text, bigint, bigint, text, bigint',
  'text',
].flatMap((part) => part.split(', '))

/** The functions that a store calls, as GRANT names them. Those who use a store need nothing else of its schema. */
export const ENTRY_POINTS: readonly string[] = [
  `apply(${APPLY_TYPES.join(', ')})`,
  'follow(text)',
  'assert_held(text, text, bigint)',
]

/** In the order in which they are made: a type comes before what takes it. */
const FILES = [
  'locks',
  'turn',
  'claims',
  'requests',
  'places',
  'lines',
  'ending',
  'granting',
  'views',
  'acquiring',
  'holding',
  'deadlock',
  'reading',
  'sweeping',
  'waiting',
  'alone',
  'quick',
  'table',
  'entry',
  'guard',
] as const

/** The types of the functions, which go with them. */
const TYPES = ['turn', 'step', 'suspect', 'quick'] as const

/** The tables, in a schema that is there and empty. To be run in a transaction. */
export function tablesSql(schema: string): string {
  return `${inSchema(schema)}\n${read('schema.sql')}`
}

/** The functions, made or made anew. To be run in a transaction. */
export function functionsSql(schema: string): string {
  const types = TYPES.map((type) => `DROP TYPE IF EXISTS ${type} CASCADE;`)
  const functions = FILES.map((file) =>
    read(`table/${file}.sql`).replaceAll('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION'),
  )
  return [inSchema(schema), ...types, ...functions].join('\n')
}

/** A name as SQL writes it, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * What follows is made in this schema and looks for what it uses there. The functions keep this path (FROM CURRENT), so
 * that nobody's own objects are taken for theirs.
 */
function inSchema(schema: string): string {
  return `SET LOCAL search_path TO ${quoteName(schema)}, pg_catalog, pg_temp;`
}

function read(file: string): string {
  return readBeside(import.meta.url, 'stores/postgres', file)
}
