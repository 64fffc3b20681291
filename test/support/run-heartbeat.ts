// A command for the tests of `holdfast run`: it writes down when it lived and which signals it got.
// Usage: run-heartbeat.ts FILE [deaf] [child] [stray], where a stray has left the group, and its parent has ended.
import { spawn } from 'node:child_process'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'

const [, program = '', file = '', ...traits] = process.argv
const { HOLDFAST_EXPIRES_AT: expiresAt } = process.env

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const) {
  process.on(signal, () => {
    note(signal)
    if (!traits.includes('deaf') && signal !== 'SIGWINCH' && signal !== 'SIGCONT') process.exit(9)
  })
}
if (traits.includes('child')) spawn(process.execPath, [program, `${file}.child`, 'deaf'], { stdio: 'ignore' })
if (traits.includes('stray')) {
  // Its parent ends at once.
  const line = [process.execPath, program, `${file}.stray`, 'deaf']
  spawn('/bin/sh', ['-c', '"$@" & exit 0', 'sh', ...line], { stdio: 'ignore', detached: true })
}
writeFileSync(`${file}.new`, `start ${Date.now()} ${process.pid} ${expiresAt}\n`)
renameSync(`${file}.new`, file)
setInterval(() => note('beat'), 5)

function note(what: string): void {
  appendFileSync(file, `${what} ${Date.now()}\n`)
}
