/** For whoever records what locks did: decides whether any legal order explains it. Needs nothing but Holdfast. */
import '../../core/node-version.ts'

export { checkHistory, type CheckOptions, type Explained, type Unexplained, type Verdict } from './check.ts'
export { expiriesOf, type ExpiryOptions } from './expiries.ts'
export { fenced, type Fenced } from './fenced.ts'
export { fifo } from './fifo.ts'
export { type Holders, mutex, reentrantMutex, sharedExclusive } from './locks.ts'
export type { LockModel } from './model.ts'
export type { Operation } from './operation.ts'
