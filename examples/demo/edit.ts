import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Which edit of which agent. */
export interface Edit {
  readonly agentId: string
  readonly number: number
  /** The files that it changes, all with the same line; paths below the root. */
  readonly files: readonly string[]
}

const MARKER = /^\/\/ edit \d+ by agent-\d+$/

/** The line that an edit leaves in a file. By these lines the edits are counted afterwards. */
export function markerOf({ agentId, number }: Pick<Edit, 'agentId' | 'number'>): string {
  return `// edit ${number} by ${agentId}`
}

export function isMarker(line: string): boolean {
  return MARKER.test(line)
}

/**
 * What an AI agent does when it edits: it reads the files, thinks, and writes them back as a whole. Whatever somebody
 * else has written meanwhile is gone.
 */
export async function makeEdit(paths: readonly string[], marker: string): Promise<void> {
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  await think()
  await Promise.all(paths.map((path, index) => writeFile(path, withOneMoreLine(texts[index] ?? '', marker))))
}

/** A model takes seconds; a few hundredths show the same and keep the demo short. */
async function think(): Promise<void> {
  await sleep(30 + Math.random() * 50)
}

function withOneMoreLine(text: string, line: string): string {
  const lines = text.split('\n')
  lines.splice(Math.floor(Math.random() * lines.length), 0, line)
  return lines.join('\n')
}
