import { readFile, writeFile } from 'node:fs/promises'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import {
  fencedFetch,
  type Fenced,
  guardedRedis,
  guardedTable,
  guardedUpdateFile,
  type PostgresClient,
} from '../../src/guard/index.ts'

/** What is locked and changed in the tests: a text that words are appended to. */
export interface Target {
  /** Reads, calls back, and writes what it has read and the word; with a lock under its guard, else without one. */
  append(lock: Fenced | null, word: string, meanwhile: () => Promise<void>): Promise<void>
  content(): Promise<string>
  close(): Promise<void>
}

/** The kinds of targets; each is reached through an address. */
export const targets: Readonly<Record<string, (address: string) => Target>> = {
  file: fileTarget,
  string: redisTarget('string'),
  json: redisTarget('json'),
  hash: redisTarget('hash'),
  row: rowTarget,
  http: httpTarget,
}

function fileTarget(path: string): Target {
  const content = (): Promise<string> => readFile(path, 'utf8')
  return {
    async append(lock, word, meanwhile) {
      if (lock === null) {
        const text = await content()
        await meanwhile()
        return writeFile(path, text + word)
      }
      await guardedUpdateFile(lock, path, async (text) => {
        await meanwhile()
        return (text ?? '') + word
      })
    },
    content,
    close: async () => undefined,
  }
}

function redisTarget(kind: 'string' | 'json' | 'hash'): (url: string) => Target {
  return (url) => {
    const redis = new Redis(url)
    const guard = guardedRedis(redis)
    const key = `the:${kind}`
    const read = async (): Promise<string> =>
      kind === 'hash'
        ? ((await redis.hget(key, 'text')) ?? '')
        : kind === 'json'
          ? (JSON.parse((await redis.get(key)) ?? '{"text":""}') as { text: string }).text
          : ((await redis.get(key)) ?? '')
    const write = async (text: string): Promise<unknown> =>
      kind === 'hash'
        ? redis.hset(key, 'text', text)
        : redis.set(key, kind === 'json' ? JSON.stringify({ text }) : text)
    const guarded = async (lock: Fenced, change: (text: string) => Promise<string>): Promise<unknown> =>
      kind === 'hash'
        ? guard.updateHash(lock, key, async (fields) => ({ ...fields, text: await change(fields['text'] ?? '') }))
        : kind === 'json'
          ? guard.updateJson<{ text: string }>(lock, key, async (value) => ({ text: await change(value?.text ?? '') }))
          : guard.update(lock, key, (text) => change(text ?? ''))
    return {
      async append(lock, word, meanwhile) {
        const change = async (text: string): Promise<string> => {
          await meanwhile()
          return text + word
        }
        await (lock === null ? write(await change(await read())) : guarded(lock, change))
      },
      content: read,
      close: async () => void (await redis.quit()),
    }
  }
}

/** The row with the id 1 of a table `note`. */
function rowTarget(url: string): Target {
  const pool = new Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined)
  const guard = guardedTable(pool satisfies PostgresClient, { table: 'note' })
  const content = async (): Promise<string> => {
    const { rows } = await pool.query<{ text: string }>('SELECT text FROM note WHERE id = 1')
    return rows[0]?.text ?? ''
  }
  return {
    async append(lock, word, meanwhile) {
      if (lock === null) {
        const text = await content()
        await meanwhile()
        return void (await pool.query('UPDATE note SET text = $1 WHERE id = 1', [text + word]))
      }
      await guard.update(lock, { id: 1 }, async (row) => {
        await meanwhile()
        return { text: String(row['text']) + word }
      })
    },
    content,
    close: () => pool.end(),
  }
}

/** A text that is read with GET and replaced with PUT. */
function httpTarget(url: string): Target {
  const content = async (): Promise<string> => (await fetch(url)).text()
  return {
    async append(lock, word, meanwhile) {
      // The unguarded server has another path.
      const [address, send] = lock === null ? [`${url}/unguarded`, fetch] : [url, fencedFetch(lock)]
      const text = await (await send(address)).text()
      await meanwhile()
      await send(address, { method: 'PUT', body: text + word })
    },
    content,
    close: async () => undefined,
  }
}
