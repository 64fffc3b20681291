import { StoreUnavailableError } from '../../src/core/errors.ts'
import {
  type Answer,
  type Batch,
  type LockStore,
  type Message,
  NotExecutedError,
  type StoreDriver,
  type Subscription,
} from '../../src/core/store.ts'

type Apply = () => Promise<Answer>
type Deliver = (messages: readonly Message[]) => void

/** What goes wrong between a session and its real store. By default nothing does. */
export class Faults {
  /** Every batch that was sent, repeats included. */
  readonly sent: Batch[] = []
  /** What the store was told to free. */
  closes = 0
  openSubscriptions = 0

  /** May delay, repeat or drop the batch, or lose its answer. */
  onApply: (batch: Batch, apply: Apply) => Promise<Answer> = (_batch, apply) => apply()
  /** May delay, repeat or drop what is pushed. */
  onPush: (messages: readonly Message[], deliver: Deliver) => void = (messages, deliver) => deliver(messages)
  onSubscribe: (subscribe: () => Promise<Subscription>) => Promise<Subscription> = (subscribe) => subscribe()
  onClose: (close: () => Promise<void>) => Promise<void> = (close) => close()
  /** Tells the session that it may have missed messages. */
  interrupt: () => void = () => {}

  /** The types of all steps that were sent, in order. */
  get steps(): string[] {
    return this.sent.flatMap((batch) => batch.steps.map((step) => step.type))
  }
}

/** The answer to nothing at all: the connection hangs. */
export function hang(): Promise<never> {
  return new Promise(() => {})
}

/** Executes the batch and loses its answer. */
export async function loseAnswer(apply: Apply): Promise<never> {
  await apply()
  throw new StoreUnavailableError('The connection broke.')
}

export function broken(): never {
  throw new StoreUnavailableError('The connection broke.')
}

export function refused(): never {
  throw new NotExecutedError('The store is busy. Nothing was done.')
}

export function withFaults(store: LockStore, faults: Faults): LockStore {
  return {
    name: store.name,
    apply: async (batch) => {
      faults.sent.push(batch)
      return faults.onApply(batch, () => store.apply(batch))
    },
    subscribe: async (session, listener) => {
      faults.interrupt = () => listener.onInterruption()
      return faults.onSubscribe(async () => {
        const subscription = await store.subscribe(session, {
          onMessages: (messages) => faults.onPush(messages, (delivered) => listener.onMessages(delivered)),
          onInterruption: () => listener.onInterruption(),
        })
        return counted(subscription, faults)
      })
    },
    follow: async (onGrowth) => counted(await store.follow(onGrowth), faults),
    close: () => {
      faults.closes += 1
      return faults.onClose(() => store.close())
    },
  }
}

export function driverWithFaults(driver: StoreDriver, faults: Faults): StoreDriver {
  return { open: async (namespace) => withFaults(await driver.open(namespace), faults) }
}

function counted(subscription: Subscription, faults: Faults): Subscription {
  faults.openSubscriptions += 1
  let isOpen = true
  return {
    close: () => {
      if (isOpen) faults.openSubscriptions -= 1
      isOpen = false
      return subscription.close()
    },
  }
}
