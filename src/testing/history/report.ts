import type { LockModel } from './model.ts'
import type { Operation } from './operation.ts'

/** Says in plain words what does not fit. */
export function reportOf<State>(
  model: LockModel<State>,
  resource: string,
  failedAt: Operation,
  states: readonly State[],
  window: readonly Operation[],
): string {
  const start = window[0]?.calledAt ?? 0
  const lines = window.map((operation) => {
    const mark = operation.lease === failedAt.lease && operation.kind === failedAt.kind ? '>' : ' '
    return `${mark} ${span(operation, start)}  ${sentence(operation)}`
  })
  return [
    `${resource} does not behave like a ${model.name}: no order of these ${window.length} operations explains them.`,
    `Nothing fits any more when this has returned: ${sentence(failedAt)}.`,
    `Before it the lock was ${states.map((state) => model.describe(state)).join(', or ')}.`,
    'Milliseconds from call to return:',
    ...lines,
  ].join('\n')
}

function span({ calledAt, returnedAt }: Operation, start: number): string {
  const ms = (at: number): string => (at === Infinity ? 'open' : (at - start).toFixed(1)).padStart(10)
  return `${ms(calledAt)} ..${ms(returnedAt)}`
}

const VERBS: Readonly<Record<Operation['kind'], Readonly<Record<Operation['outcome'], string>>>> = {
  acquire: { done: 'is granted', refused: 'is refused', unknown: 'may be granted' },
  release: { done: 'releases', refused: 'finds lost at its release', unknown: 'may release' },
  extend: { done: 'extends', refused: 'finds lost at its extension', unknown: 'may extend' },
  expire: { done: 'runs out of', refused: 'keeps', unknown: 'may lose' },
}

function sentence({ client, kind, outcome, mode, lease, fence, isEntry, arrivedBy }: Operation): string {
  const details = [
    mode === 'shared' ? 'shared' : null,
    isEntry === true ? 'entered again' : null,
    fence === undefined ? null : `token ${fence}`,
    arrivedBy === undefined ? null : 'had waited in line',
  ].filter((detail) => detail !== null)
  return `${client} ${VERBS[kind][outcome]} lease ${lease}${details.length === 0 ? '' : ` (${details.join(', ')})`}`
}
