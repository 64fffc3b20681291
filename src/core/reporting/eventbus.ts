import { AsyncResource } from 'node:async_hooks'
import type { EventType, LockEvent } from '../model.ts'

/** Called with each event that was subscribed to. It may be async; nobody waits for it. */
export type EventHandler = (event: LockEvent) => unknown

/** Where a manager publishes this process's own transitions. Any object of this shape serves. */
export interface EventBusLike {
  /** Hands an event to the subscribers. It should not throw. */
  publish(event: LockEvent): void
  /** @returns ends the subscription */
  subscribe(type: EventType | '*', handler: EventHandler): () => void
  /** Whether publishing an event of this type would reach anybody; without it, publishers assume so. */
  hasSubscribers?(type: EventType): boolean
}

export interface EventBusOptions {
  /** Told of each failure of a handler. Default: one process warning per handler, with its first failure. */
  readonly onError?: (error: unknown, event: LockEvent) => unknown
}

interface Subscription {
  readonly handler: EventHandler
  readonly call: EventHandler
  active: boolean
}

/**
 * Hands events to handlers, in the order of their subscription and within `publish`, each event to those of its own
 * type first and then to those of every type (`'*'`).
 *
 * A handler that fails, at once or later, stops neither the others nor the publisher. A handler runs in the async
 * context in which it was subscribed, not in the publisher's: a lock that it takes does not belong to the activity
 * that happened to cause the event.
 */
export class EventBus implements EventBusLike {
  readonly #subscriptions = new Map<EventType | '*', readonly Subscription[]>()
  readonly #onError: ((error: unknown, event: LockEvent) => unknown) | undefined
  readonly #warned = new WeakSet<EventHandler>()

  constructor(options: EventBusOptions = {}) {
    this.#onError = options.onError
  }

  hasSubscribers(type: EventType): boolean {
    return this.#subscriptions.has(type) || this.#subscriptions.has('*')
  }

  publish(event: LockEvent): void {
    this.#hand(event, this.#subscriptions.get(event.type))
    this.#hand(event, this.#subscriptions.get('*'))
  }

  /**
   * @returns ends this subscription, at once even for an event that is being handed out. A handler that was subscribed
   *   twice is called twice, and each subscription ends by itself.
   */
  subscribe(type: EventType | '*', handler: EventHandler): () => void {
    const subscription: Subscription = { handler, call: AsyncResource.bind(handler), active: true }
    // Lists are replaced, never changed: `publish` may be going through one.
    this.#subscriptions.set(type, [...(this.#subscriptions.get(type) ?? []), subscription])
    return () => {
      if (!subscription.active) return
      subscription.active = false
      const others = this.#subscriptions.get(type)?.filter((each) => each !== subscription) ?? []
      if (others.length > 0) this.#subscriptions.set(type, others)
      else this.#subscriptions.delete(type)
    }
  }

  #hand(event: LockEvent, subscriptions: readonly Subscription[] | undefined): void {
    if (subscriptions === undefined) return
    for (const subscription of subscriptions) {
      if (!subscription.active) continue
      try {
        const result = subscription.call(event)
        if (isThenable(result)) {
          Promise.resolve(result).catch((error: unknown) => this.#report(event, subscription.handler, error))
        }
      } catch (error) {
        this.#report(event, subscription.handler, error)
      }
    }
  }

  #report(event: LockEvent, handler: EventHandler, error: unknown): void {
    if (this.#onError === undefined) return this.#warn(event, handler, error)
    try {
      const result = this.#onError(error, event)
      if (isThenable(result)) Promise.resolve(result).catch((worse: unknown) => this.#warn(event, handler, worse))
    } catch (worse) {
      this.#warn(event, handler, worse)
    }
  }

  // Once per handler: what fails for every event would otherwise bury the log.
  #warn(event: LockEvent, handler: EventHandler, error: unknown): void {
    if (this.#warned.has(handler)) return
    this.#warned.add(handler)
    const detail = error instanceof Error ? (error.stack ?? error.message) : undefined
    process.emitWarning(
      `An event handler failed on '${event.type}'; further failures of it are not shown. Give the EventBus an onError to see each.`,
      { type: 'HoldfastWarning', code: 'HOLDFAST_EVENT_HANDLER', ...(detail === undefined ? {} : { detail }) },
    )
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}

// Registered globally, so that two copies of this package share one bus.
const SHARED = Symbol.for('holdfast.eventbus')

/** The event bus of this process (of this thread, where there are several), the same for every copy of the package. */
export function getEventBus(): EventBusLike {
  const holder = globalThis as { [SHARED]?: EventBusLike }
  holder[SHARED] ??= new EventBus()
  return holder[SHARED]
}
