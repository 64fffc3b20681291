import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tracesOfMachine } from './support/architecture.ts'
import { anchorsOf, codeBlocks, linksOf } from './support/markdown.ts'
import { PostgresServer } from './support/postgres-server.ts'
import { RedisServer } from './support/redis-server.ts'
import { keptFiles, root } from './support/repository.ts'

/**
 * How a block of TypeScript in a document is marked, after the word `ts`:
 * `run` stands for itself, `continues` goes on where the block before it ended, `sketch` is not run.
 * What a program prints stands behind `// prints: `, line by line.
 */
type Mark = 'run' | 'continues' | 'sketch'

/** Only here may a block be one that does not run. */
const sketchesIn: readonly string[] = ['CONTRIBUTING.md']

interface Program {
  readonly name: string
  readonly code: string
}

const run = promisify(execFile)
const documents = new Map(
  keptFiles()
    .filter((path) => path.endsWith('.md'))
    .map((path) => [path, readFileSync(join(root, path), 'utf8')]),
)
const programs = [...documents].flatMap(([path, text]) => programsOf(path, text))

describe('the documents', () => {
  test.each(['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/guide.md', 'docs/model.md', 'docs/porting.md'])(
    '%s is there',
    (path) => {
      expect([...documents.keys()]).toContain(path)
    },
  )

  test('name no path of a machine', () => {
    expect([...documents].flatMap(([path, text]) => tracesOfMachine(path, text))).toEqual([])
  })

  test('have no link that leads nowhere', () => {
    expect([...documents].flatMap(([path, text]) => brokenLinks(path, text))).toEqual([])
  })

  test('say of every example whether it runs', () => {
    expect([...documents].flatMap(([path, text]) => unmarked(path, text))).toEqual([])
  })

  test('have a page for every store', () => {
    const pages = new Set([...documents.keys()].filter((path) => path.startsWith('docs/stores/')))
    const stores = keptFiles().flatMap((path) => /^src\/stores\/(\w+)\/index\.ts$/.exec(path)?.[1] ?? [])
    expect(pages).toEqual(new Set(stores.map((store) => `docs/stores/${store}.md`)))
  })
})

describe('the examples', () => {
  let project: string
  let database: PostgresServer
  let redis: RedisServer

  beforeAll(async () => {
    if (!existsSync(join(root, 'dist/index.js'))) throw new Error('dist is missing: run `npm run build` first')
    project = await mkdtemp(join(tmpdir(), 'holdfast-docs-'))
    await prepare(project)
    ;[database, redis] = await Promise.all([PostgresServer.start(), RedisServer.start()])
  })

  afterAll(async () => {
    await database.dispose()
    await rm(project, { recursive: true, force: true })
  })

  test('compile in a strict project', async () => {
    const complaints = await run(join(root, 'node_modules/.bin/tsc'), { cwd: project }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    )
    expect(complaints).toBe('')
  }, 60_000)

  test.each(programs)('$name runs, and prints what it says', async ({ name, code }) => {
    const folder = folderOf(project, name)
    const servers = { DATABASE_URL: database.url(), REDIS_URL: redis.url }
    // As `holdfast run` tells it.
    const fence = { HOLDFAST_FENCE: `${Date.now()}000` }
    const env = { ...process.env, HOME: project, XDG_STATE_HOME: project, NODE_OPTIONS: '', ...servers, ...fence }
    const { stdout, stderr } = await run(process.execPath, ['example.ts'], { cwd: folder, env, timeout: 15_000 })
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual(announced(code))
    expect(stderr).toBe('')
  })
})

function programsOf(path: string, text: string): readonly Program[] {
  const found: { name: string; code: string }[] = []
  for (const { language, mark, line, code } of codeBlocks(text)) {
    if (language !== 'ts') continue
    const last = found.at(-1)
    if (mark === 'run') found.push({ name: `${path}:${line}`, code })
    else if (mark === 'continues' && last !== undefined) last.code += `\n${code}`
  }
  return found
}

function unmarked(path: string, text: string): readonly string[] {
  const allowed: readonly Mark[] = sketchesIn.includes(path) ? ['run', 'continues', 'sketch'] : ['run', 'continues']
  return codeBlocks(text)
    .filter(({ language, mark }) => language === 'js' || (language === 'ts' && !allowed.some((each) => each === mark)))
    .map(({ line, language, mark }) => `${path}:${line}: '${language} ${mark}' is none of ts ${allowed.join(', ')}`)
}

function announced(code: string): readonly string[] {
  return [...code.matchAll(/\/\/ prints: (?<text>.*)$/gm)].map(({ groups }) => groups?.['text'] ?? '')
}

/** An empty project that has the package installed, and for each example a git working tree of its own. */
async function prepare(project: string): Promise<void> {
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, '@types'), { recursive: true })
  await symlink(root, join(modules, 'holdfast'))
  for (const name of ['prom-client', 'pg', '@types/pg', 'postgres', 'ioredis', 'redis'])
    await symlink(join(root, 'node_modules', name), join(modules, name))
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const compilerOptions = {
    noEmit: true,
    strict: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    typeRoots: [join(root, 'node_modules/@types')],
    types: ['node'],
    skipLibCheck: true,
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*/example.ts'] }))
  for (const { name, code } of programs) {
    const folder = folderOf(project, name)
    await mkdir(folder)
    await run('git', ['init', '--quiet'], { cwd: folder })
    await writeFile(join(folder, 'example.ts'), `${code}\nexport {}\n`)
  }
}

function folderOf(project: string, name: string): string {
  return join(project, name.replaceAll(/[^\w.-]/g, '-'))
}

function brokenLinks(path: string, text: string): readonly string[] {
  return linksOf(text)
    .filter(({ target }) => !/^[a-z]+:/.test(target))
    .flatMap(({ line, target }) => {
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : posix.join(posix.dirname(path), file)
      if (!existsSync(join(root, linked))) return [`${path}:${line}: ${target}: there is no ${linked}`]
      if (anchor === undefined) return []
      const anchors = anchorsOf(readFileSync(join(root, linked), 'utf8'))
      return anchors.has(anchor) ? [] : [`${path}:${line}: ${target}: ${linked} has no heading #${anchor}`]
    })
}
