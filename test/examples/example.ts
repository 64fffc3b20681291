import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/repository.ts'

export const folder: string = join(root, 'examples')

/** Each example by its file name; the demo has a folder and tests of its own. */
export const examples: readonly string[] = globSync('*.ts', { cwd: folder }).toSorted()

export interface Example extends ChildProcess {
  output: string
  complaints: string
}

/** @param home where it may leave files: its home and its folder for temporary files */
export function start(example: string, home: string, ...args: readonly string[]): Example {
  if (!existsSync(join(root, 'dist/index.js'))) throw new Error('dist is missing: run `npm run build` first')
  const env = { ...process.env, HOME: home, XDG_STATE_HOME: home, TMPDIR: home, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, [join(folder, example), ...args], { cwd: home, env })
  const started: Example = Object.assign(child, { output: '', complaints: '' })
  child.stdout.setEncoding('utf8').on('data', (text: string) => (started.output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (started.complaints += text))
  return started
}

export async function end(example: Example): Promise<{ code: number | null; complaints: string }> {
  const [code] = (await once(example, 'close')) as [number | null]
  return { code, complaints: example.complaints }
}
