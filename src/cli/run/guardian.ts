import { type ChildProcess, spawn } from 'node:child_process'
import type { Command } from './command.ts'

/**
 * Ends the command when we cannot: a small shell, in a session of its own, that reads a pipe of which nobody but us has
 * the other end.
 *
 * - When we die (SIGKILL, out of memory, a defect) the pipe ends without a goodbye. The command gets SIGTERM, and
 *   SIGKILL after the usual time; the lease then ends by itself.
 * - When we stand still (Ctrl-Z, SIGSTOP, a machine under heavy load) nobody tells it that the lease goes on. At the
 *   end of what it knows, which is a little before the end of the lease, the command gets SIGKILL.
 *
 * It needs `/bin/sh`, `sleep`, and `grep` (Linux) or `ps` and `awk` (elsewhere). It cannot help if it is killed too,
 * as with all of a container or a cgroup; then the command is gone as well.
 */
const SCRIPT = `
mark=$1 tenths=$2 child= group= watch= born=
trap '' HUP INT QUIT TERM

# When the command was started: its number may be another process's by now.
birth() {
  read -r line <"/proc/$child/stat" || return
  set -- \${line##*) }
  echo "\${20}"
} 2>/dev/null

# The command itself may have cleared its environment, and with it the mark.
unmarked() {
  [ -n "$child" ] && [ -n "$born" ] && [ "$(birth)" = "$born" ] || return
  grep -qsF -e "$mark" "/proc/$child/environ" || echo "$child"
}

members() {
  if [ -r "/proc/$$/environ" ]; then
    for file in $(grep -lsF -e "$mark" /proc/[0-9]*/environ); do
      file=\${file#/proc/}
      echo "\${file%/environ}"
    done
    unmarked
  elif [ -n "$child" ]; then
    ps -A -o pid= -o ppid= | awk -v root="$child" '
      { up[$1] = $2 }
      END {
        found[root]
        do {
          more = 0
          for (p in up) if (!(p in found) && (up[p] in found)) { found[p]; more = 1 }
        } while (more)
        for (p in found) if (p in up) print p
      }'
  fi
}

# Each once: many programs take a second SIGTERM for impatience.
terminate() {
  pids=$(members)
  for pid in $pids; do kill -s TERM "$pid"; done
  [ -n "$pids" ] || [ -z "$group" ] || kill -s TERM -- "-$group"
} 2>/dev/null

destroy() {
  for round in 1 2 3; do
    pids=$(members)
    [ -z "$group" ] || kill -s KILL -- "-$group"
    for pid in $pids; do kill -s KILL "$pid"; done
    sleep 0.05
  done
} 2>/dev/null

lives() {
  [ -n "$group" ] && kill -s 0 -- "-$group" && return 0
  [ -n "$(members)" ]
} 2>/dev/null

until_then() {
  nap= over=
  trap 'over=1; kill -s KILL "$nap" 2>/dev/null' USR1
  sleep "$1" & nap=$!
  [ -z "$over" ] || kill -s KILL "$nap" 2>/dev/null
  wait "$nap"
  [ -n "$over" ] || destroy
}

forget() {
  [ -z "$watch" ] || kill -s USR1 "$watch" 2>/dev/null
  watch=
}

while read -r word first second; do
  case $word in
    command) child=$first group=$second born=$(birth) ;;
    until) forget; until_then "$first" & watch=$! ;;
    bye) forget; exit 0 ;;
  esac
done

terminate
while [ "$tenths" -gt 0 ] && lives; do
  sleep 0.1
  tenths=$((tenths - 1))
done
destroy
forget
`

/** Talks to the guardian of one command. */
export class Guardian {
  readonly #shell: ChildProcess | undefined
  /** Until when the command may run, as it was told last. */
  #untilMs: number | undefined

  /** @param mark as in {@link Command}: so it can find a command that it was not yet told of */
  constructor(mark: string, killAfterMs: number) {
    if (process.platform === 'win32') return
    const { PATH = '' } = process.env
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'holdfast-guardian', mark, String(Math.ceil(killAfterMs / 100))], {
      // Nothing of ours may be held open by it, and no folder kept from being removed.
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      detached: true,
      env: { ...process.env, PATH: `${PATH}:/usr/bin:/bin`, LC_ALL: 'C' },
    })
    // Without a shell, or when somebody ended it, there is no guardian: the command runs all the same.
    this.#shell.on('error', () => {})
    this.#shell.stdin?.on('error', () => {})
    this.#shell.unref()
  }

  protect({ pid, group }: Command): void {
    if (pid !== undefined) this.#tell(`command ${pid} ${group ?? ''}`)
  }

  /** The command may run for so long, if no other news comes. */
  until(remainingMs: number): void {
    if (this.#shell === undefined) return
    const untilMs = performance.now() + remainingMs
    // Each news costs a process.
    if (this.#untilMs !== undefined && untilMs - this.#untilMs < Math.min(250, remainingMs / 10)) return
    this.#untilMs = untilMs
    this.#tell(`until ${(remainingMs / 1000).toFixed(3)}`)
  }

  /** We stood still for longer than it was told: it has killed the command, or is about to. */
  hasStruck(): boolean {
    return this.#untilMs !== undefined && performance.now() >= this.#untilMs
  }

  /** The command has ended: there is nothing to guard. */
  dismiss(): void {
    this.#shell?.stdin?.end('bye\n')
  }

  #tell(news: string): void {
    this.#shell?.stdin?.write(`${news}\n`)
  }
}
