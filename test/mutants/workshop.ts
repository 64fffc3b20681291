import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../support/repository.ts'
import type { Mutant } from './mutant.ts'

/** What the test files need beside them. */
const COPIED = ['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts']

/** A mutant that is not noticed in this time is hanging, which is a way of being noticed. */
const PATIENCE_MS = 180_000

/** What became of a mutant. */
export interface Verdict {
  readonly mutant: Mutant
  /** The first test that failed; `undefined` if none did. */
  readonly caughtBy: string | undefined
  readonly ms: number
}

/** A copy of the repository in which one mutant after the other is tried. */
export class Workshop {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-mutants-'))
    for (const path of COPIED) await cp(join(root, path), join(folder, path), { recursive: true })
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    return new Workshop(folder)
  }

  async try(mutant: Mutant, signal: AbortSignal): Promise<Verdict> {
    const path = join(this.#folder, 'src', mutant.file)
    const original = await readFile(path, 'utf8')
    const start = performance.now()
    try {
      await writeFile(path, mutated(original, mutant))
      for (const suite of mutant.suites) {
        const caughtBy = await this.#firstFailure(suite, signal)
        if (caughtBy !== undefined) return { mutant, caughtBy, ms: performance.now() - start }
      }
      return { mutant, caughtBy: undefined, ms: performance.now() - start }
    } finally {
      await writeFile(path, original)
    }
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #firstFailure(suite: string, signal: AbortSignal): Promise<string | undefined> {
    const report = join(this.#folder, 'report.json')
    await rm(report, { force: true })
    const args = ['run', suite, '--bail=1', '--reporter=json', `--outputFile=${report}`, '--coverage.enabled=false']
    const vitest = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
      cwd: this.#folder,
      stdio: 'ignore',
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    })
    try {
      const [code] = (await once(vitest, 'exit')) as [number | null]
      return code === 0 ? undefined : await failureIn(report, suite)
    } catch (error) {
      if (signal.aborted) throw error
      return `${suite} (it hung)`
    }
  }
}

/** @throws Error if the place that is to be changed is not there exactly once */
export function mutated(text: string, { name, file, find, replace }: Mutant): string {
  const places = text.split(find).length - 1
  if (places !== 1) throw new Error(`mutant '${name}': its place stands ${places} times in ${file}, not once.`)
  return text.replace(find, () => replace)
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

async function failureIn(path: string, suite: string): Promise<string> {
  try {
    const { testResults } = JSON.parse(await readFile(path, 'utf8')) as Report
    const failed = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .find(({ status }) => status === 'failed')
    return failed === undefined ? `${suite} (it could not be run)` : `${suite}: ${failed.fullName}`
  } catch {
    return `${suite} (it ended without a report)`
  }
}
