import { spawn } from 'node:child_process'

const passedOn = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])

/**
 * Runs a command on this terminal and waits for its end; signals that this process gets meanwhile go to the command.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export function run(command, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env })
    /** @param {NodeJS.Signals} signal */
    const passOn = (signal) => {
      // A terminal has sent Ctrl-C to the child already, and a second one often means "stop at once".
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
    }
    const stopListening = () => passedOn.forEach((signal) => process.off(signal, passOn))
    passedOn.forEach((signal) => process.on(signal, passOn))
    child.once('error', (error) => {
      stopListening()
      reject(error)
    })
    child.once('exit', (code, signal) => {
      stopListening()
      resolve({ code: code ?? 1, signal })
    })
  })
}

/**
 * Ends this process the way its child ended.
 * @param {{ code: number, signal: NodeJS.Signals | null }} end
 */
export function endLike({ code, signal }) {
  if (signal) process.kill(process.pid, signal)
  else process.exitCode = code
}
