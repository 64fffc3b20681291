import { type ChildProcess, spawn } from 'node:child_process'
import { holdfast, until, type Workshop } from './run-workshop.ts'

const PROMPT = 'PROMPT> '

/** What keys send. */
export const KEYS = { ctrlC: '\u0003', ctrlD: '\u0004', ctrlZ: '\u001A', ctrlBackslash: '\u001C' } as const

/**
 * An interactive bash in a terminal: a real one, made by script(1), which is part of every Debian (bsdutils), with
 * job control.
 */
export class Terminal implements AsyncDisposable {
  readonly #script: ChildProcess
  readonly #ended: Promise<void>
  #output = ''

  private constructor(shop: Workshop) {
    const shell = `env PS1='${PROMPT}' bash --norc --noprofile -i`
    this.#script = spawn('/usr/bin/script', ['--quiet', '--flush', '--command', shell, '/dev/null'], {
      cwd: shop.folder,
      env: { ...shop.env, TERM: 'dumb', HISTFILE: '' },
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#output += text))
    this.#ended = new Promise((resolve) => this.#script.once('close', () => resolve()))
  }

  static async open(shop: Workshop): Promise<Terminal> {
    const terminal = new Terminal(shop)
    await terminal.sees(PROMPT)
    await terminal.command(`run() { ${holdfast.join(' ')} run "$@"; }`)
    return terminal
  }

  type(keys: string): void {
    this.#script.stdin?.write(keys)
  }

  /** Types a line, which the terminal shows, too: what is waited for next comes after that. */
  async line(text: string): Promise<void> {
    this.type(`${text}\n`)
    await this.sees('\n')
  }

  /** Waits until a text appears, and returns what came before it. */
  async sees(text: string): Promise<string> {
    const at = await until(() => (this.#output.includes(text) ? { index: this.#output.indexOf(text) } : undefined))
    const before = this.#output.slice(0, at.index)
    this.#output = this.#output.slice(at.index + text.length)
    return before
  }

  /** Waits until the shell is ready for the next line, and returns what was shown until then. */
  async prompt(): Promise<string> {
    return this.sees(PROMPT)
  }

  /** Types a line and returns what it shows. */
  async command(text: string): Promise<string> {
    await this.line(text)
    return (await this.prompt()).replaceAll('\r', '').trim()
  }

  /** Closes the window. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#script.kill('SIGKILL')
    await this.#ended
  }
}
