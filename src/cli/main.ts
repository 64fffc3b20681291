#!/usr/bin/env node
// The version comes first: what follows need not even load on an older Node.
try {
  await import('../core/node-version.ts')
  const { cacheCompiledCode } = await import('./compile-cache.ts')
  cacheCompiledCode()
  const { start } = await import('./start.ts')
  await start(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
