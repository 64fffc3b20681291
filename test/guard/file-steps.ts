import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

/** What the guard calls of the file system; the others it calls read only. */
const FUNCTIONS = [
  'access',
  'chmod',
  'chown',
  'mkdir',
  'open',
  'readFile',
  'readdir',
  'rename',
  'rm',
  'stat',
  'writeFile',
] as const
const METHODS = ['chmod', 'chown', 'stat', 'sync', 'writeFile'] as const

type Call = (this: unknown, ...args: unknown[]) => Promise<unknown>

/** A call that is about to be made: its name, and how to do half of it, where it can be done by halves. */
export interface Step {
  readonly name: string
  readonly half: (() => Promise<unknown>) | undefined
}

/**
 * From now on, in this process, calls back before each call of the file system that the guard makes. The files are the
 * real ones; what this gives is a moment between any two calls.
 */
export async function beforeEachStep(pause: (step: Step) => Promise<void>): Promise<void> {
  const handle = await fs.open(import.meta.filename, 'r')
  const handles = Object.getPrototypeOf(handle) as Record<string, Call>
  await handle.close()
  const functions = fs as unknown as Record<string, Call>
  const wrap = (of: Record<string, Call>, name: string): void => {
    const original = of[name]
    if (original === undefined) throw new Error(`node:fs/promises has no ${name}`)
    of[name] = async function (this: unknown, ...args: unknown[]) {
      const [content, ...rest] = args
      const half =
        of === handles && name === 'writeFile' && typeof content === 'string'
          ? () => original.apply(this, [content.slice(0, content.length / 2), ...rest])
          : undefined
      await pause({ name, half })
      return original.apply(this, args)
    }
  }
  for (const name of FUNCTIONS) wrap(functions, name)
  for (const name of METHODS) wrap(handles, name)
  syncBuiltinESMExports()
}
