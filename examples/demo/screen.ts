/** Where the demo is seen: lines that stay, and one picture that changes. */
export interface Screen {
  /** A line that stays. */
  say(line: string): void
  /** The picture as it is now, and the same in a few words. */
  show(picture: readonly string[], inWords: string): void
  /** Leaves the last picture where it is. */
  settle(): void
  /** Gives the terminal back as it was. */
  restore(): void
}

export function openScreen(out: NodeJS.WriteStream, height: number): Screen {
  const isTerminal = out.isTTY && process.env['TERM'] !== 'dumb' && out.rows > height
  return isTerminal ? new Terminal(out) : new PlainText(out)
}

const HIDE_CURSOR = '\u001B[?25l'
const SHOW_CURSOR = '\u001B[?25h'
// A line that is too long is cut off rather than wrapped: the number of lines to go back must be known.
const CUT_LINES = '\u001B[?7l'
const WRAP_LINES = '\u001B[?7h'
const CLEAR_LINE = '\u001B[K'
const CLEAR_BELOW = '\u001B[J'

class Terminal implements Screen {
  readonly #out: NodeJS.WriteStream
  #height = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
    out.write(HIDE_CURSOR)
    // However this process ends, short of being killed.
    process.once('exit', () => this.restore())
  }

  say(line: string): void {
    this.#out.write(`${this.#back()}${CLEAR_BELOW}${line}\n`)
    this.#height = 0
  }

  show(picture: readonly string[]): void {
    const lines = picture.map((line) => `${line}${CLEAR_LINE}\n`).join('')
    this.#out.write(`${CUT_LINES}${this.#back()}${lines}${CLEAR_BELOW}${WRAP_LINES}`)
    this.#height = picture.length
  }

  settle(): void {
    this.#height = 0
  }

  restore(): void {
    this.#out.write(`${WRAP_LINES}${SHOW_CURSOR}`)
  }

  #back(): string {
    return this.#height === 0 ? '' : `\u001B[${this.#height}A\r`
  }
}

/** For a log: the words once a second. */
const WORDS_EVERY_MS = 1_000

class PlainText implements Screen {
  readonly #out: NodeJS.WriteStream
  #saidAt = performance.now()

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  say(line: string): void {
    this.#out.write(`${line}\n`)
  }

  show(_picture: readonly string[], inWords: string): void {
    if (performance.now() - this.#saidAt < WORDS_EVERY_MS) return
    this.#saidAt = performance.now()
    this.say(`  ${inWords}`)
  }

  settle(): void {}

  restore(): void {}
}
