import type { Client } from './client.ts'
import type { Verdict } from './verdict.ts'
import type { Tally } from './workload.ts'

/** What the events of a process say, counted as the metrics count: once for each resource. */
interface Said {
  locked: number
  ended: number
  waiting: number
}

/** Compares the metrics of a manager that was closed with its events and with how its calls ended. */
export async function checkCounters(client: Client, tally: Tally | undefined, verdict: Verdict): Promise<void> {
  const said = await saidBy(client, verdict)
  const values = await valuesOf(client)
  const count = (name: string): number => values.get(name) ?? 0
  const fail = (what: string): void => verdict.fail('counters', `${client.name}: ${what}`)
  const acquired = count('resource_lock_acquisitions_total')
  const releases = count('resource_lock_releases_total')
  const losses = count('resource_lock_losses_total')
  if (count('resource_locks_active') !== 0) fail(`${count('resource_locks_active')} are active after the end`)
  if (acquired !== said.locked) fail(`${acquired} acquisitions, ${said.locked} events`)
  if (releases + losses !== said.ended) fail(`${releases} releases and ${losses} losses, ${said.ended} events`)
  if (acquired !== releases + losses) fail(`${acquired} acquisitions, ${releases} releases, ${losses} losses`)
  const timeouts = count('resource_lock_timeouts_total')
  const contentions = count('resource_lock_contentions_total')
  if (timeouts < (tally?.timedOut ?? 0)) fail(`${timeouts} time-outs, ${tally?.timedOut} calls`)
  if (contentions < said.waiting) fail(`${contentions} contentions, ${said.waiting} waited`)
}

async function saidBy(client: Client, verdict: Verdict): Promise<Said> {
  const said: Said = { locked: 0, ended: 0, waiting: 0 }
  const held = new Set<number>()
  for (const { type, resources, fencingToken = 0 } of client.events) {
    if (type === 'resource.waiting') said.waiting += resources.length
    if (type === 'resource.locked') {
      said.locked += resources.length
      if (held.has(fencingToken)) verdict.fail('counters', `${client.name}: ${fencingToken} was locked twice`)
      held.add(fencingToken)
    }
    if (type !== 'resource.unlocked' && type !== 'resource.expired') continue
    said.ended += resources.length
    if (!held.delete(fencingToken)) verdict.fail('counters', `${client.name}: ${fencingToken} ended twice`)
  }
  if (held.size > 0) verdict.fail('counters', `${client.name}: ${[...held].join()} never ended`)
  return said
}

async function valuesOf({ registry }: Client): Promise<Map<string, number>> {
  const metrics = await registry.getMetricsAsJSON()
  return new Map(metrics.map(({ name, values }) => [name, values.reduce((sum, { value }) => sum + value, 0)] as const))
}
