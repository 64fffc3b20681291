// Compiles src into dist. Not by deleting dist first: a test or a demo may be running from it.
import { copyFileSync, existsSync, globSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bundleCli } from './bundle-cli.mjs'
import { endLike, run } from './child.mjs'

const end = await run('tsc', ['-p', 'tsconfig.build.json'])
if (end.code === 0) {
  copyStoreScripts()
  removeOutputsWithoutSource()
  await bundleCli()
}
endLike(end)

function copyStoreScripts() {
  for (const file of globSync('**/*.{lua,sql}', { cwd: 'src' })) {
    mkdirSync(dirname(join('dist', file)), { recursive: true })
    copyFileSync(join('src', file), join('dist', file))
  }
}

function removeOutputsWithoutSource() {
  for (const file of globSync('**/*.{js,js.map,d.ts,d.ts.map,lua,sql}', { cwd: 'dist', exclude: ['cli/**'] })) {
    const source = file.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (!existsSync(join('src', source))) rmSync(join('dist', file))
  }
}
