import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { runs } from './material.ts'
import { Scene } from './scene.ts'

/** A table's column, as the server describes it. */
interface Column {
  readonly table: string
  readonly column: string
  readonly type: string
}

const server = await PostgresServer.start()
afterAll(() => server.dispose())
await server.run('CREATE ROLE app LOGIN')
await postgresStore(server.url()).migration.run('app')

/** All that the functions keep, but for the numbers that the server itself gives to namespaces. */
const columns = await server.run<{ readonly [K in keyof Column]: Column[K] }>(
  `SELECT table_name AS table, column_name AS column, data_type AS type FROM information_schema.columns
   WHERE table_schema = 'holdfast' AND table_name <> 'installations' AND is_identity = 'NO' AND column_name <> 'ns'
   ORDER BY 1, 2`,
)

const functions = (
  await server.run<{ readonly name: string }>(
    `SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'holdfast' ORDER BY 1`,
  )
).map(({ name }) => name)

/** What may stand in a column of a type, as SQL. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  bigint: ['-1', '0', '1', '9007199254740993', '9223372036854775807', '-9223372036854775808', 'NULL'],
  integer: ['-1', '0', '1', '2147483647', '-2147483648', 'NULL'],
  boolean: ['true', 'false', 'NULL'],
  text: [
    `''`,
    `'{'`,
    `'null'`,
    `'[]'`,
    `'[1,2]'`,
    `'["granted"]'`,
    `'["x","y"]'`,
    `'sés'`,
    `repeat('x', 5000)`,
    'NULL',
  ],
  ARRAY: [`'{}'`, `'{x}'`, `'{en}'`, `'{enr:held,stx}'`, `'{NULL}'`, 'NULL'],
  bytea: [`''`, `'\\x00'`, 'NULL'],
}

const damage = fc
  .constantFrom(...columns)
  .chain(({ table, column, type }) =>
    fc.tuple(
      fc.constantFrom(`UPDATE holdfast.${table} SET ${column} =`),
      fc.constantFrom(...(VALUES[type] ?? ['NULL'])),
      fc.constant(table),
      fc.boolean(),
    ),
  )
const deletion = fc.constantFrom(...new Set(columns.map(({ table }) => table)))

function setScene(user?: string): Promise<Scene> {
  return Scene.set(() => postgresStore(server.url('postgres', user)))
}

/** Which rows of a table are those of a scene: all, or the first. */
function rowsOf(scene: Scene, table: string, isFirstOnly: boolean): string {
  const key = table === 'namespaces' ? 'id' : 'ns'
  const mine = `${key} = (SELECT id FROM holdfast.namespaces WHERE name = '${scene.namespace}')`
  return isFirstOnly ? `ctid = (SELECT min(ctid) FROM holdfast.${table} WHERE ${mine})` : mine
}

describe('rows that somebody else has written', () => {
  test('column by column: answered, or refused in words', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (changes) => {
        const scene = await setScene()
        for (const [update, value, table, isFirstOnly] of changes) {
          // What a constraint does not let anybody write, nobody has written.
          await server.run(`${update} ${value} WHERE ${rowsOf(scene, table, isFirstOnly)}`).catch(() => undefined)
        }
        await scene.play()
        expect(await scene.end()).toMatchObject({ problems: [] })
      }),
      { numRuns: runs(0.4), endOnFailure: true },
    )
  })

  test('or taken away: answered, or refused in words', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(deletion, fc.boolean(), async (table, isFirstOnly) => {
        const scene = await setScene()
        await server.run(`DELETE FROM holdfast.${table} WHERE ${rowsOf(scene, table, isFirstOnly)}`)
        await scene.play()
        expect(await scene.end()).toMatchObject({ problems: [] })
      }),
      { numRuns: runs(0.15), endOnFailure: true },
    )
  })
})

describe('a schema that somebody else has changed', () => {
  test('a function that is gone: nothing is done, and all goes on once it is back', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...functions), async (name) => {
        const scene = await setScene()
        const [{ text } = { text: '' }] = await server.run<{ text: string }>(
          'SELECT pg_get_functiondef($1::regprocedure) AS text',
          [name],
        )
        await server.run(`DROP FUNCTION ${name}`)
        await scene.play()
        await server.run(`SET search_path = holdfast; ${text}`)
        await scene.serve()
        expect(await scene.end()).toMatchObject({ problems: [], doubles: 0 })
        await scene.expectFree()
      }),
      { numRuns: runs(0.15), endOnFailure: true },
    )
  })

  test.each([
    ['EXECUTE ON ALL FUNCTIONS IN SCHEMA holdfast', 'migrate --role'],
    ['USAGE ON SCHEMA holdfast', 'migrate --role'],
  ])('a right that is missing (%s): refused with who can help', { timeout: 60_000 }, async (right, help) => {
    const scene = await setScene('app')
    await server.run(`REVOKE ${right} FROM app`)
    await scene.play()
    await postgresStore(server.url()).migration.run('app')
    await scene.serve()
    const { problems, doubles, refusals } = await scene.end()
    expect({ problems, doubles }).toEqual({ problems: [], doubles: 0 })
    expect(refusals[0]).toContain(help)
  })
})
