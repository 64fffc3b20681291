import { createHash } from 'node:crypto'
import { type FSWatcher, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Listener, Message } from '../../core/store.ts'
import { removeLeftovers, touchWake, type WakeWatch, watchWake } from './wake.ts'

/** A wake file of nobody that is known is left alone for so long: its session may not have spoken yet. */
const LEFTOVER_MS = 3_600_000

/** A commit is announced shortly before it can be seen. */
const AGAIN_MS = 2

/** How often the log is looked at where nothing is announced, and where the system refuses to watch. */
const SAFETY_MS = 1000
const POLL_MS = 20

interface Subscribed {
  readonly listeners: Set<Listener>
  readonly watch: WakeWatch
  /** Number of the last message that was delivered. */
  delivered: number
}

/** Brings messages to the sessions that listen here, and wakes the processes of those that listen elsewhere. */
export class Pushes {
  readonly #directory: string
  readonly #read: (session: string) => readonly Message[]
  readonly #sessions = new Map<string, Subscribed>()

  /**
   * @param directory of the wake files
   * @param read the messages for a session that stand in its outbox
   */
  constructor(directory: string, read: (session: string) => readonly Message[]) {
    this.#directory = directory
    this.#read = read
  }

  listen(session: string, listener: Listener): () => void {
    const known = this.#sessions.get(session)
    const subscribed = known ?? {
      listeners: new Set(),
      watch: watchWake(this.#directory, wakeName(session), () => this.#look(session)),
      delivered: 0,
    }
    subscribed.listeners.add(listener)
    this.#sessions.set(session, subscribed)
    return () => {
      subscribed.listeners.delete(listener)
      if (subscribed.listeners.size > 0 || this.#sessions.get(session) !== subscribed) return
      subscribed.watch.close()
      this.#sessions.delete(session)
    }
  }

  /** Delivers messages that were committed here. */
  send(session: string, messages: readonly Message[]): void {
    const subscribed = this.#sessions.get(session)
    if (subscribed === undefined) touchWake(this.#directory, wakeName(session))
    else deliver(subscribed, messages)
  }

  /** The numbers of a session's messages start anew. */
  restart(session: string): void {
    const subscribed = this.#sessions.get(session)
    if (subscribed !== undefined) subscribed.delivered = 0
  }

  /** Removes the wake files of processes that died. */
  clear(sessions: readonly string[]): void {
    const names = new Set(sessions.map(wakeName))
    const oldest = Date.now() - LEFTOVER_MS
    removeLeftovers(this.#directory, (name) => names.has(name) || modifiedAt(join(this.#directory, name)) > oldest)
  }

  close(): void {
    for (const { watch: wake } of this.#sessions.values()) wake.close()
    this.#sessions.clear()
  }

  #look(session: string): void {
    const subscribed = this.#sessions.get(session)
    if (subscribed === undefined) return
    try {
      deliver(subscribed, this.#read(session))
    } catch {
      // Whatever is wrong with the file, the heartbeat that this asks for meets it, and reports it.
      for (const listener of subscribed.listeners) listener.onInterruption()
    }
  }
}

function deliver(subscribed: Subscribed, messages: readonly Message[]): void {
  const news = messages.filter(({ number }) => number > subscribed.delivered)
  if (news.length === 0) return
  subscribed.delivered = news.at(-1)?.number ?? subscribed.delivered
  for (const listener of subscribed.listeners) listener.onMessages(news)
}

/** A session's id is a secret; the name of its wake file is not. */
function wakeName(session: string): string {
  return createHash('sha256').update(session).digest('hex').slice(0, 32)
}

function modifiedAt(path: string): number {
  try {
    return statSync(path).mtimeMs
  } catch {
    return Infinity
  }
}

/** Tells those who follow the event log that it has grown, whichever process wrote to it. Keeps no process alive. */
export class Growth {
  readonly #wal: string
  readonly #read: () => number
  readonly #followers = new Set<() => void>()
  #seen = 0
  #watcher: FSWatcher | undefined
  #poll: NodeJS.Timeout | undefined
  #again: NodeJS.Timeout | undefined

  /**
   * @param file the database
   * @param read the number of the last event in it
   */
  constructor(file: string, read: () => number) {
    this.#wal = `${file}-wal`
    this.#read = read
  }

  follow(onGrowth: () => void): () => void {
    // Each call is a follower of its own, also of the same function.
    const follower = (): void => onGrowth()
    this.#followers.add(follower)
    if (this.#followers.size === 1) this.#start()
    return () => {
      this.#followers.delete(follower)
      if (this.#followers.size === 0) this.close()
    }
  }

  /** The log has grown, if it has: the event that it now ends with was committed. */
  look(): void {
    if (this.#followers.size === 0) return
    let last: number
    try {
      last = this.#read()
    } catch {
      // Whatever is wrong with the file, the next batch meets it, and reports it.
      return
    }
    if (last === this.#seen) return
    this.#seen = last
    for (const follower of this.#followers) follower()
  }

  /** The file is another one. */
  restart(): void {
    if (this.#followers.size === 0) return
    this.close()
    this.#start()
    for (const follower of this.#followers) follower()
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    clearInterval(this.#poll)
    clearTimeout(this.#again)
    this.#again = undefined
  }

  #start(): void {
    try {
      this.#seen = this.#read()
      const watcher = watch(this.#wal, { persistent: false }, () => this.#hint())
      watcher.on('error', () => watcher.close())
      this.#watcher = watcher
    } catch {
      // The system has no more watches to give, say: polling does.
    }
    this.#poll = setInterval(() => this.look(), this.#watcher === undefined ? POLL_MS : SAFETY_MS)
    this.#poll.unref()
  }

  #hint(): void {
    if (this.#again !== undefined) return
    this.#again = setTimeout(() => {
      this.#again = undefined
      this.look()
    }, AGAIN_MS)
    this.#again.unref()
    this.look()
  }
}
