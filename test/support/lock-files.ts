import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { LockStore } from '../../src/core/store.ts'
import { sqliteStore, type SqliteStoreOptions } from '../../src/stores/sqlite/index.ts'
import { Actor } from '../../src/testing/index.ts'
import { LockFileProcess, type Starting } from './lock-file-process.ts'

/** A folder for the lock files of one test, and whoever uses them; {@link LockFiles.dispose} ends them all. */
export class LockFiles {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'))
  readonly #stores: LockStore[] = []
  readonly #processes: LockFileProcess[] = []
  readonly #afterwards: (() => void)[] = []

  path(name: string = 'locks.db'): string {
    return join(this.folder, name)
  }

  async open(path: string = this.path(), options: SqliteStoreOptions = {}): Promise<LockStore> {
    const store = await sqliteStore(path, options).open('default')
    this.#stores.push(store)
    return store
  }

  start(role: string, path: string = this.path(), starting: Starting = {}): LockFileProcess {
    const started = new LockFileProcess(role, path, starting)
    this.#processes.push(started)
    return started
  }

  /** To be done when the files are no longer in use. */
  afterwards(undo: () => void): void {
    this.#afterwards.push(undo)
  }

  async dispose(): Promise<void> {
    for (const each of this.#processes) await each.kill()
    for (const store of this.#stores) await store.close()
    for (const undo of this.#afterwards.toReversed()) undo()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A session of a store. */
export function actor(store: LockStore, deadMs = 60_000): Actor {
  return new Actor({ name: 'tester', store, deadMs, tell: () => undefined })
}

/** What an error of a store that cannot be used matches. */
export function unavailable(message: RegExp): object {
  return { code: 'UNAVAILABLE', message: expect.stringMatching(message) as string }
}
