import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const folder = 'dist/cli'
const entry = 'main.js'

/**
 * Bundles the command line: hooks start it again and again, and Node takes longer to find and load a hundred modules
 * than to run them (`scripts/cli-startup.mjs` measures it). Packages stay outside, and what is imported dynamically is
 * still loaded only when it is needed.
 */
export async function bundleCli() {
  const bundle = await rolldown({
    input: 'src/cli/main.ts',
    platform: 'node',
    external: (id) => !/^(?:[./]|src\/|[A-Za-z]:\\)/.test(id),
  })
  const { output } = await bundle.generate({ format: 'esm', sourcemap: true, chunkFileNames: '[name]-[hash].js' })
  await bundle.close()
  mkdirSync(folder, { recursive: true })
  // The entry comes last: it names the others.
  const files = output.toSorted((a, b) => Number(a.fileName === entry) - Number(b.fileName === entry))
  for (const file of files) put(join(folder, file.fileName), file.type === 'chunk' ? file.code : file.source)
  const written = new Set(output.map((file) => file.fileName))
  for (const file of globSync('**/*.*', { cwd: folder })) if (!written.has(file)) rmSync(join(folder, file))
}

/**
 * At once, and not at all where it is there already: somebody may be running it.
 *
 * @param {string} path
 * @param {string | Uint8Array} content
 */
function put(path, content) {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, content)
  // npm makes what package.json names executable; here it is started without npm, too.
  if (path.endsWith(entry)) chmodSync(draft, 0o755)
  renameSync(draft, path)
}
