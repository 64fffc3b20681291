import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { openDriver } from '../../src/open.ts'
import { readUrl } from '../../src/stores/postgres/connect.ts'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { root } from '../support/repository.ts'

describe('the URL of a Postgres', () => {
  test.each([
    ['postgres://db.example/app', { url: 'postgres://db.example/app' }],
    ['postgresql://u:p@db.example:5433/app', { url: 'postgresql://u:p@db.example:5433/app' }],
    ['postgres://db/app?schema=locks', { url: 'postgres://db/app', schema: 'locks' }],
    ['postgres://db/app?schema=a&schema=b', { url: 'postgres://db/app', schema: 'b' }],
    ['postgres://db/app?listen=false', { url: 'postgres://db/app', listen: false }],
    ['postgres://db/app?listen=true', { url: 'postgres://db/app' }],
    [
      'postgres://db/app?sslmode=verify-full&schema=locks&listen=false&application_name=x',
      { url: 'postgres://db/app?sslmode=verify-full&application_name=x', schema: 'locks', listen: false },
    ],
    ['postgres:///app?host=/run/postgresql', { url: 'postgres:///app?host=/run/postgresql' }],
    ['postgres://u:a%3Fb@db/app', { url: 'postgres://u:a%3Fb@db/app' }],
  ])('%s is read as %j', (url, settings) => {
    expect(readUrl(url, 'store')).toEqual(settings)
  })

  test.each(['mysql://db/app', 'postgresx://db', '', '/run/postgresql'])('is not %j', (url) => {
    expect(() => readUrl(url, 'store')).toThrow(/is not a URL with postgres:\/\/ in front/u)
  })

  test('is not shown with its password where it is wrong', () => {
    expect(() => readUrl('mysql://admin:secret@db/app', 'store')).toThrow(/^(?!.*secret)/u)
  })

  test('is that of a store', async () => {
    expect(await openDriver('postgres://db.example/app')).toHaveProperty('migration.schema', 'holdfast')
    expect(await openDriver('postgresql://db.example/app?schema=locks')).toHaveProperty('migration.schema', 'locks')
  })
})

describe('postgresStore', () => {
  const url = 'postgres://db.example/app'

  test.each([
    [{ pool: 0 }, /pool: 0 is not allowed/u],
    [{ synchronousCommit: 'sometimes' }, /synchronousCommit: 'sometimes' is not allowed: use one of on, off/u],
    [{ listen: 1 }, /listen: 1 is not allowed/u],
    [{ listen: 'http://db' }, /listen: 'http:\/\/db' is not a URL with postgres/u],
    [{ migrate: 'no' }, /migrate: 'no' is not allowed/u],
    [{ tables: 3 }, /'tables' is not an option/u],
  ])('refuses the options %j', (options, message) => {
    expect(() => postgresStore(url, options as object)).toThrow(message)
  })

  test.each([[undefined], [3], [{}], [{ connect: () => undefined }], [() => undefined]])(
    'refuses %j as a database',
    (where) => {
      expect(() => postgresStore(where as unknown as string)).toThrow(/is neither a URL, nor a Pool of 'pg'/u)
    },
  )

  test('says how it is reached only when it is opened', async () => {
    const store = postgresStore('postgres://app:secret@127.0.0.1:1/app')
    const opening = store.open('default')
    await expect(opening).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(opening).rejects.not.toThrow(/secret/u)
  })

  test('stops opening when it is told to', async () => {
    const store = postgresStore('postgres://app@192.0.2.1/app')
    await expect(store.open('default', AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  })
})

test('a URL without the package pg says what to install', async () => {
  const hide = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(name, context, next) {
        if (name === 'pg') throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
        return next(name, context)
      },
    })`
  const script = `
    import { postgresStore } from ${JSON.stringify(join(root, 'src/stores/postgres/index.ts'))}
    const error = await postgresStore('postgres://db/app').open('default').catch((error) => error)
    process.stdout.write(error.code + ': ' + error.message)`
  const hooks = `data:text/javascript,${encodeURIComponent(hide)}`
  const args = ['--import', hooks, '--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toMatch(/^INVALID: .*needs the package 'pg': npm install pg/u)
})
