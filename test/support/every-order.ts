import type { LockModel, Operation } from '../../src/testing/index.ts'

/**
 * The oracle for small histories: tries every order of every selection that may have taken effect. It shares nothing
 * with the checker but the model.
 */
export function someOrderExplains<State>(model: LockModel<State>, operations: readonly Operation[]): boolean {
  return place(model, model.initial, operations)
}

/** Chooses what takes effect next among what is left; nothing that is left may have returned before its call. */
function place<State>(model: LockModel<State>, state: State, left: readonly Operation[]): boolean {
  if (left.length === 0) return true
  return left.some((next) => {
    const others = left.filter((other) => other !== next)
    if (others.some((other) => other.returnedAt < next.calledAt)) return false
    const isToCome = others.some(({ kind, lease }) => kind === 'acquire' && lease === next.lease)
    const isIdle = next.kind === 'expire' && !isToCome && model.step(state, next) === null
    if ((next.outcome === 'unknown' || isIdle) && place(model, state, others)) return true
    if (others.some((other) => model.precedes?.(other, next) ?? false)) return false
    const after = model.step(state, next)
    return after !== null && place(model, after, others)
  })
}
