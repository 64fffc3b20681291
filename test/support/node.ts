import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join, sep } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A command line for a Node that Holdfast refuses: the machine's own if it is that old, else this one in its guise. */
export async function tooOldNode(): Promise<readonly string[]> {
  const own = await machineNode()
  if (own !== null && (await isTooOld(own))) return [own]
  const guise = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`
  return [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(guise)}`]
}

/** The first Node on PATH that this repository did not install. */
async function machineNode(): Promise<string | null> {
  const folders = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.split(sep).includes('node_modules'))
  for (const folder of folders) {
    const node = join(folder, 'node')
    const found = await access(node, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return node
  }
  return null
}

async function isTooOld(node: string): Promise<boolean> {
  const { stdout } = await run(node, ['--print', 'process.versions.node'])
  const [major = 0, minor = 0] = stdout.split('.').map(Number)
  return major < 22 || (major === 22 && minor < 14)
}
