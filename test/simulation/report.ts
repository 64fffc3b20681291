import type { Minimised } from './minimise.ts'
import { faultText } from './narration.ts'
import type { Operation, Plan } from './plan.ts'
import { INVARIANTS, type Violation } from './verdict.ts'

/** What a person needs to see of a failure. */
export function failureText(seed: number, violation: Violation, minimised?: Minimised): string {
  const lines = [
    `seed ${seed} breaks '${violation.invariant}': ${INVARIANTS[violation.invariant]}`,
    `  ${violation.detail}, at ${violation.at.toFixed(1)} ms`,
  ]
  if (minimised !== undefined) {
    const { plan, result, attempts } = minimised
    lines.push(
      `  the shortest history found (${attempts} tried): ${result.violation?.detail ?? 'it does not fail again'}`,
      ...historyOf(plan).map((line) => `    ${line}`),
      '  what happened in it:',
      ...result.lines.map((line) => `    ${line}`),
    )
  }
  lines.push(`  again: npm run simulate -- --seed ${seed}`)
  return lines.join('\n')
}

/** A plan as a list of what is done and what goes wrong, in order of time. */
export function historyOf(plan: Plan): string[] {
  const { operations, interventions, faults, clients, latencyMs, budget, quietAtMs } = plan
  const entries = [
    ...operations.map((operation) => ({
      atMs: operation.atMs,
      text: `c${operation.client}: ${operationText(operation)}`,
    })),
    ...interventions.map(({ atMs, client, what, resourceId }) => ({ atMs, text: `c${client}: ${what} ${resourceId}` })),
    ...faults.map((fault) => ({ atMs: fault.atMs, text: `fault: ${faultText(fault)}` })),
  ]
  const rates = clients.map(({ rate, heartbeatMs }) => `${rate.toFixed(4)}/${heartbeatMs}`)
  return [
    `${clients.length} clients (clock rate/heartbeat ${rates.join(', ')}), latency ${latencyMs} ms, budget ${budget}, quiet at ${quietAtMs}`,
    ...entries.toSorted((a, b) => a.atMs - b.atMs).map(({ atMs, text }) => `${String(atMs).padStart(6)} ${text}`),
  ]
}

function operationText(operation: Operation): string {
  const { name, how, agent, resources, timeoutMs, waitMs, holdMs, autoExtend, nested } = operation
  const named = resources.map(({ resourceId, mode }) => `${resourceId} ${mode}`).join(' + ')
  const details = [
    `lease ${timeoutMs}`,
    `wait ${waitMs ?? 'for ever'}`,
    `hold ${holdMs}`,
    agent === null ? '' : `agent ${agent}`,
    autoExtend === false ? '' : `autoExtend ${JSON.stringify(autoExtend)}`,
    operation.reentrant ? 'reentrant' : '',
    operation.abortAfterMs === null ? '' : `abort after ${operation.abortAfterMs}`,
    operation.extendMs === null ? '' : `extend ${operation.extendMs}`,
    operation.forgets ? 'never released' : '',
    nested.length === 0 ? '' : `inside: [${nested.map(operationText).join('; ')}]`,
  ]
  return `${name} ${how} ${named} (${details.filter((detail) => detail !== '').join(', ')})`
}
