import { eventOf } from '../info.ts'
import type { GapEvent, LockEvent } from '../model.ts'
import type { Session } from '../session/session.ts'
import type { ReadEventsOutcome, Subscription } from '../store.ts'

/** How often a watcher looks without having been told to. */
const LOOK_EVERY_MS = 1_000

const EVENTS_PER_READ = 256

/** Where a watcher starts. */
export interface WatchStart {
  readonly session: Session
  readonly cursor: string
}

/** Starts after a cursor, or now. */
export async function startWatch(session: Session, since: string | undefined): Promise<WatchStart> {
  return { session, cursor: since ?? (await read(session, null)).cursor }
}

/**
 * The events of every process from there on, until the signal aborts. It may be slow to be read: the log waits for it
 * as long as the log is long, and then there is a gap.
 */
export async function* watchEvents(
  start: Promise<WatchStart>,
  signal: AbortSignal,
): AsyncGenerator<LockEvent | GapEvent, void, undefined> {
  let subscription: Subscription | undefined
  try {
    const { session, cursor: first } = await start
    const bell = new Bell(session, signal)
    subscription = await session.follow(() => bell.ring())
    for (let cursor = first; !signal.aborted;) {
      const page = await read(session, cursor)
      cursor = page.cursor
      if (page.gap) yield { type: 'gap', cursor }
      for (const event of page.events) {
        if (signal.aborted) return
        yield eventOf(event)
      }
      if (page.events.length === 0 && !page.gap) await bell.wait()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await subscription?.close()
  }
}

async function read(session: Session, since: string | null): Promise<ReadEventsOutcome> {
  const { outcome } = await session.pipeline.run({ type: 'readEvents', since, limit: EVENTS_PER_READ })
  return outcome
}

/** Remembers one ring until somebody waits for it. */
class Bell {
  readonly #session: Session
  readonly #signal: AbortSignal
  #rang = false
  #wake: (() => void) | undefined

  constructor(session: Session, signal: AbortSignal) {
    this.#session = session
    this.#signal = signal
  }

  ring(): void {
    this.#rang = true
    this.#wake?.()
  }

  /** Resolves when it has rung, when the signal aborts, or after a while. Keeps the process alive meanwhile. */
  async wait(): Promise<void> {
    if (!this.#rang && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = this.#session.clock.after(LOOK_EVERY_MS, resolve)
        timer.keepAlive(true)
        const end = (): void => {
          timer.cancel()
          this.#signal.removeEventListener('abort', end)
          resolve()
        }
        this.#wake = end
        this.#signal.addEventListener('abort', end, { once: true })
      })
      this.#wake?.()
      this.#wake = undefined
    }
    this.#rang = false
  }
}
