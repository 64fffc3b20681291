import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KEYS, Terminal } from '../support/run-terminal.ts'
import { isAlive, until, Workshop } from '../support/run-workshop.ts'

let shop: Workshop
let terminal: Terminal
beforeEach(async () => {
  shop = new Workshop()
  terminal = await Terminal.open(shop)
})
afterEach(async () => {
  await terminal[Symbol.asyncDispose]()
  await shop[Symbol.asyncDispose]()
})

const quoted = (line: readonly string[]): string => line.map((word) => `'${word}'`).join(' ')
const forced = { adminAgentId: 'admin', reason: 'stuck' }

describe('Ctrl-C', () => {
  test('reaches the command and what it has started once, and its exit code comes back', async () => {
    await terminal.line(`run x:1 -- ${quoted(shop.heartbeat('b', 'child'))}`)
    await Promise.all([shop.beating('b'), shop.beating('b.child')])
    terminal.type(KEYS.ctrlC)
    await terminal.prompt()
    expect(await terminal.command('echo $?')).toBe('9')
    expect((await shop.silence('b')).signals.map(({ name }) => name)).toEqual(['SIGINT'])
    expect(await shop.signals('b.child')).toEqual(['SIGINT'])
    expect(await shop.locks.isLocked('x:1')).toBe(false)
  })

  test('leaves a command alone that does not care', async () => {
    await terminal.line(`run x:1 -- ${quoted(shop.heartbeat('b', 'deaf'))}`)
    await shop.beating('b')
    for (const count of [1, 2, 3]) {
      terminal.type(KEYS.ctrlC)
      await until(() => shop.beats('b')?.signals.length === count)
    }
    expect(await shop.locks.getOwner('x:1')).toBe('tester')
    await shop.locks.forceUnlock('x:1', forced)
  })

  test('ends the waiting with 130', async () => {
    await using lock = await shop.locks.acquire('x:1', { agentId: 'holder' })
    await terminal.line('run x:1 --wait forever -- echo ran')
    await terminal.sees('holdfast: waiting for x:1')
    terminal.type(KEYS.ctrlC)
    await terminal.prompt()
    expect(await terminal.command('echo $?')).toBe('130')
    lock.assertHeld()
  })
})

describe('Ctrl-Z', () => {
  test('stops the command and us, so that the shell is back, and fg goes on', async () => {
    await terminal.line('run x:1 -- cat')
    await until(() => shop.locks.isLocked('x:1'))
    await terminal.line('before')
    await terminal.sees('before')
    terminal.type(KEYS.ctrlZ)
    expect(await terminal.prompt()).toContain('Stopped')
    expect(await terminal.command('jobs')).toContain('Stopped')
    await terminal.line('fg')
    await terminal.line('after')
    await terminal.sees('after')
    terminal.type(KEYS.ctrlD)
    await terminal.prompt()
    expect(await terminal.command('echo $?')).toBe('0')
  })

  test('for longer than the lease ends the command, although all of it is stopped', async () => {
    await terminal.line(`run x:1 --timeout 1s -- ${quoted(shop.heartbeat('b', 'child'))}`)
    await Promise.all([shop.beating('b'), shop.beating('b.child')])
    terminal.type(KEYS.ctrlZ)
    await terminal.prompt()
    const lock = await shop.locks.acquire('x:1', { agentId: 'successor' })
    for (const name of ['b', 'b.child']) {
      expect((await shop.silence(name)).last).toBeLessThan(lock.lockedAt.getTime())
    }
    expect(await terminal.command('fg')).toContain('The lock on x:1 was lost')
    expect(await terminal.command('echo $?')).toBe('76')
    expect(lock.isHeld).toBe(true)
  })

  test('bg lets it run on without the terminal', async () => {
    await terminal.line(`run x:1 --timeout 1s -- ${quoted(shop.heartbeat('b'))}`)
    const { expiresAt } = await shop.beating('b')
    terminal.type(KEYS.ctrlZ)
    await terminal.prompt()
    await terminal.command('bg')
    await until(() => Date.now() > expiresAt + 500)
    expect(await shop.locks.getOwner('x:1')).toBe('tester')
    expect(await terminal.command('kill %1; wait %1; echo $?')).toMatch(/^9$/m)
    expect((await shop.silence('b')).signals.map(({ name }) => name)).not.toContain('SIGHUP')
  })
})

describe('a full-screen program', () => {
  const program = `
    const { stdin, stdout } = process
    stdin.setRawMode(true)
    stdout.write('\\u001B[?1049h' + [stdout.columns, stdout.rows].join('x') + ' READY')
    process.on('SIGWINCH', () => stdout.write(' SIZE ' + stdout.columns))
    stdin.on('data', (keys) => {
      stdout.write(' KEYS ' + keys.toString('hex'))
      if (String(keys) === 'q') {
        stdout.write('\\u001B[?1049l')
        process.exit(5)
      }
    })
  `

  test('has the terminal to itself: raw keys, the alternate screen, the size and its changes', async () => {
    writeFileSync(shop.path('screen.mjs'), program)
    const tty = await terminal.command('stty cols 81 rows 25; tty')
    const before = await terminal.command('stty -g')
    await terminal.line(`run x:1 -- '${process.execPath}' screen.mjs`)
    await terminal.sees('\u001B[?1049h81x25 READY')
    terminal.type('x')
    await terminal.sees('KEYS 78')
    // In raw mode this is a key like any other.
    terminal.type(KEYS.ctrlC)
    await terminal.sees('KEYS 03')
    terminal.type(KEYS.ctrlZ)
    await terminal.sees('KEYS 1a')
    execFileSync('stty', ['-F', tty, 'cols', '99'])
    await terminal.sees('SIZE 99')
    terminal.type('q')
    await terminal.prompt()
    expect(await terminal.command('echo $?')).toBe('5')
    expect(await terminal.command('stty -g')).toBe(before)
  })

  test('has it also when its input is a pipe', async () => {
    const script = 'read -r line; read -r key </dev/tty; echo "$line and $key"'
    await terminal.line(`echo piped | run x:1 -- sh -c '${script}'`)
    await until(() => shop.locks.isLocked('x:1'))
    await terminal.line('typed')
    expect(await terminal.prompt()).toContain('piped and typed')
  })
})

describe('on a terminal', () => {
  test('a lost lock ends all that the command has started, and nobody else in the pipeline', async () => {
    const line = quoted(shop.heartbeat('b', 'deaf', 'child', 'stray'))
    const neighbour = quoted(shop.heartbeat('n', 'deaf'))
    await terminal.line(`run x:1 --kill-after 500ms -- ${line} | ${neighbour} & wait`)
    const names = ['b', 'b.child', 'b.stray', 'n']
    await Promise.all(names.map((name) => shop.beating(name)))
    await shop.locks.forceUnlock('x:1', forced)
    await terminal.sees('The lock on x:1 was lost')
    for (const name of names.slice(0, 3)) {
      expect((await shop.silence(name)).signals.map(({ name: signal }) => signal)).toEqual(['SIGTERM'])
    }
    const { pid, signals } = await shop.beating('n')
    expect({ lives: isAlive(pid), signals }).toEqual({ lives: true, signals: [] })
  })

  test('if we are killed, so is the command, and nobody else', async () => {
    const line = quoted(shop.heartbeat('b', 'deaf', 'child', 'stray'))
    await terminal.line(`run x:1 --kill-after 500ms -- ${line} | ${quoted(shop.heartbeat('n', 'deaf'))}`)
    const names = ['b', 'b.child', 'b.stray', 'n']
    await Promise.all(names.map((name) => shop.beating(name)))
    const { pid } = await shop.beating('b')
    process.kill(parentOf(pid), 'SIGKILL')
    for (const name of names.slice(0, 3)) {
      expect((await shop.silence(name)).signals.map(({ name: signal }) => signal)).toEqual(['SIGTERM'])
    }
    const neighbour = await shop.beating('n')
    expect({ lives: isAlive(neighbour.pid), signals: neighbour.signals }).toEqual({ lives: true, signals: [] })
  })

  test('if we stand still past the lease, the command is ended, even without the environment that marks it', async () => {
    const line = quoted(['env', '-i', ...shop.heartbeat('b', 'deaf')])
    await terminal.line(`run x:1 --timeout 2s --kill-after 500ms -- ${line}`)
    const { pid } = await shop.beating('b')
    process.kill(parentOf(pid), 'SIGSTOP')
    await shop.silence('b')
    await terminal.prompt()
    expect(await terminal.command('fg')).toContain('The lock on x:1 was lost')
    expect(await terminal.command('echo $?')).toBe('76')
  })

  test('SIGTERM that is sent to us alone is handed on, and its end is the command’s', async () => {
    await terminal.line(`run x:1 -- ${quoted(shop.heartbeat('b'))}`)
    const { pid } = await shop.beating('b')
    process.kill(parentOf(pid), 'SIGTERM')
    await terminal.prompt()
    expect(await terminal.command('echo $?')).toBe('9')
    expect((await shop.silence('b')).signals.map(({ name }) => name)).toEqual(['SIGTERM'])
  })

  test('closing the window ends the command with SIGHUP, and lets go of the lock', async () => {
    await terminal.line(`run x:1 -- ${quoted(shop.heartbeat('b'))}`)
    await shop.beating('b')
    await terminal[Symbol.asyncDispose]()
    const signals = (await shop.silence('b')).signals.map(({ name }) => name)
    // The shell wakes its jobs before it hangs them up, in case they are stopped, unless the kernel is faster.
    expect(signals.filter((name) => name !== 'SIGCONT')).toEqual(['SIGHUP'])
    await until(async () => !(await shop.locks.isLocked('x:1')))
  })
})

function parentOf(pid: number): number {
  return Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1])
}
