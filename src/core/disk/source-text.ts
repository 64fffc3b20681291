import { existsSync, readFileSync } from 'node:fs'

/**
 * The text of a file that stands beside a module: a script for a server.
 *
 * @param moduleUrl `import.meta.url` of the module
 * @param folder where module and file are in the package; in the bundled command line the module is somewhere else
 */
export function readBeside(moduleUrl: string, folder: string, file: string): string {
  const beside = new URL(file, moduleUrl)
  return readFileSync(existsSync(beside) ? beside : new URL(`../${folder}/${file}`, moduleUrl), 'utf8')
}
