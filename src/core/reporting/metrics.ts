import type { Counter, Gauge, Histogram, OpenMetricsContentType, Registry } from 'prom-client'
import type * as prometheus from 'prom-client'
import { InvalidRequestError } from '../errors.ts'
import type { Claim, LossKind } from '../model.ts'
import { checkCount, checkOptions } from '../options.ts'
import { typeOf } from '../resource/resource.ts'

/** Whose request or lease something happened to. What covers several resources counts once for each. */
export interface Measured {
  readonly agentId: string
  readonly resources: readonly Claim[]
}

/**
 * What a manager reports, named by what happened. Every lease is `granted` once and then either `released` or `lost`,
 * once: the number of active locks lives on that.
 */
export interface LockMetrics {
  /** @param waitedMs 0 where it was granted at once */
  granted(what: Measured, waitedMs: number): void
  /** It was not granted at once; whether it then waits or fails does not matter. */
  contended(what: Measured): void
  /** It was still not granted after `waitTimeout`. */
  timedOut(what: Measured): void
  /** Its holder let go of it. */
  released(what: Measured, heldMs: number): void
  /** It ended otherwise. */
  lost(what: Measured, kind: LossKind, heldMs: number): void
  /** The store has answered, or failed to answer, one batch of steps. */
  storeAnswered(tookMs: number, outcome: 'ok' | 'error'): void
}

const nothing = (): void => {}

/** Measures nothing, and costs nothing: for processes that nobody scrapes, such as the CLI. */
export const noMetrics: LockMetrics = Object.freeze({
  granted: nothing,
  contended: nothing,
  timedOut: nothing,
  released: nothing,
  lost: nothing,
  storeAnswered: nothing,
})

/** A prom-client registry of either format. */
export type MetricsRegistry = Registry | Registry<OpenMetricsContentType>

export interface MetricsOptions {
  /** Where the metrics are registered. Default: prom-client's own registry. */
  readonly registry?: MetricsRegistry
  /**
   * How many different `agent_id` labels there may be; further agents count as `other`.
   * Agents are counted per registry, whichever manager reports them. Default 1 000.
   */
  readonly maxAgents?: number
}

/**
 * The metrics of the lock model, on a registry. Several managers may share one, and then share its metrics.
 *
 * prom-client is imported by this call and not before: it takes about 35 ms, which a process without metrics saves.
 *
 * @throws InvalidRequestError if the registry has a metric of one of these names that is not ours
 */
export async function createMetrics(options: MetricsOptions = {}): Promise<LockMetrics> {
  checkOptions(options, ['registry', 'maxAgents'], 'metrics')
  const maxAgents = checkCount(options.maxAgents ?? 1_000, 'maxAgents')
  const prom = await import('prom-client')
  const registry = options.registry ?? prom.register
  const metrics = metricsOn(registry, prom)
  return new PromMetrics(metrics, new LabelCache(agentsOf(registry), maxAgents))
}

type Prom = typeof prometheus
type LockLabel = 'resource_type' | 'agent_id'

interface Metrics {
  readonly acquisitions: Counter<LockLabel>
  readonly waitTime: Histogram<LockLabel>
  readonly active: Gauge<'resource_type'>
  readonly contentions: Counter<LockLabel>
  readonly releases: Counter<LockLabel>
  readonly timeouts: Counter<LockLabel>
  readonly holdTime: Histogram<'resource_type'>
  readonly losses: Counter<'resource_type' | 'kind'>
  readonly storeTime: Histogram<'outcome'>
}

const LOCK_LABELS = ['resource_type', 'agent_id'] as const
const LOCK_SECONDS = [0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300]
const STORE_SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]

function metricsOn(registry: MetricsRegistry, prom: Prom): Metrics {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    onceOn(
      registry,
      'counter',
      name,
      labelNames,
      () => new prom.Counter({ name, help, labelNames, registers: [registry] }),
    )
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    onceOn(registry, 'gauge', name, labelNames, () => new prom.Gauge({ name, help, labelNames, registers: [registry] }))
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[],
  ): Histogram<L> =>
    onceOn(
      registry,
      'histogram',
      name,
      labelNames,
      // A copy, because prom-client freezes the list it is given.
      () => new prom.Histogram({ name, help, labelNames, buckets: [...buckets], registers: [registry] }),
    )

  return {
    acquisitions: counter('resource_lock_acquisitions_total', 'Locks granted.', LOCK_LABELS),
    waitTime: histogram(
      'resource_lock_wait_time_seconds',
      'How long each granted lock was waited for; 0 where it was free.',
      LOCK_LABELS,
      LOCK_SECONDS,
    ),
    active: gauge('resource_locks_active', 'Locks held by this process.', ['resource_type']),
    contentions: counter('resource_lock_contentions_total', 'Requests that were not granted at once.', LOCK_LABELS),
    releases: counter('resource_lock_releases_total', 'Locks released by their holders.', LOCK_LABELS),
    timeouts: counter('resource_lock_timeouts_total', 'Requests not granted within their waitTimeout.', LOCK_LABELS),
    holdTime: histogram(
      'resource_lock_hold_time_seconds',
      'How long locks were held, however they ended.',
      ['resource_type'],
      LOCK_SECONDS,
    ),
    losses: counter('resource_lock_losses_total', 'Locks that ended before their holders released them.', [
      'resource_type',
      'kind',
    ]),
    storeTime: histogram(
      'resource_lock_store_time_seconds',
      'How long the store took to answer a batch of steps.',
      ['outcome'],
      STORE_SECONDS,
    ),
  }
}

/** The registry's metric of this name, made where it is missing. */
function onceOn<M>(registry: MetricsRegistry, type: string, name: string, labels: readonly string[], make: () => M): M {
  const found = registry.getSingleMetric(name) as { type?: unknown; labelNames?: readonly string[] } | undefined
  if (found === undefined) return make()
  if (found.type === type && String(found.labelNames) === String(labels)) return found as M
  throw new InvalidRequestError(
    `The registry has a metric '${name}' already that is not holdfast's: give the manager a registry of its own.`,
  )
}

// On the registry itself, so that every manager, and every copy of this package, counts the same agents.
const AGENTS = Symbol.for('holdfast.metrics.agents')

function agentsOf(registry: MetricsRegistry): Set<string> {
  const holder = registry as { [AGENTS]?: Set<string> }
  if (holder[AGENTS] === undefined) Object.defineProperty(holder, AGENTS, { value: new Set<string>() })
  return holder[AGENTS] ?? new Set()
}

type LockLabels = Readonly<Record<LockLabel, string>>

/** The label objects of locks: made once, since a metric is observed far more often than an agent comes along. */
class LabelCache {
  readonly #agents: Set<string>
  readonly #maxAgents: number
  readonly #byType = new Map<string, Map<string, LockLabels>>()

  constructor(agents: Set<string>, maxAgents: number) {
    this.#agents = agents
    this.#maxAgents = maxAgents
  }

  of(type: string, agentId: string): LockLabels {
    const agent = this.#admit(agentId) ? agentId : 'other'
    let ofType = this.#byType.get(type)
    if (ofType === undefined) this.#byType.set(type, (ofType = new Map<string, LockLabels>()))
    let labels = ofType.get(agent)
    if (labels === undefined) ofType.set(agent, (labels = Object.freeze({ resource_type: type, agent_id: agent })))
    return labels
  }

  #admit(agentId: string): boolean {
    if (this.#agents.has(agentId)) return true
    if (this.#agents.size >= this.#maxAgents) return false
    this.#agents.add(agentId)
    return true
  }
}

class PromMetrics implements LockMetrics {
  readonly #metrics: Metrics
  readonly #labels: LabelCache

  constructor(metrics: Metrics, labels: LabelCache) {
    this.#metrics = metrics
    this.#labels = labels
  }

  granted(what: Measured, waitedMs: number): void {
    for (const labels of this.#each(what)) {
      this.#metrics.acquisitions.inc(labels)
      this.#metrics.waitTime.observe(labels, seconds(waitedMs))
      this.#metrics.active.inc({ resource_type: labels.resource_type })
    }
  }

  contended(what: Measured): void {
    for (const labels of this.#each(what)) this.#metrics.contentions.inc(labels)
  }

  timedOut(what: Measured): void {
    for (const labels of this.#each(what)) this.#metrics.timeouts.inc(labels)
  }

  released(what: Measured, heldMs: number): void {
    for (const labels of this.#each(what)) {
      this.#metrics.releases.inc(labels)
      this.#ended(labels.resource_type, heldMs)
    }
  }

  lost(what: Measured, kind: LossKind, heldMs: number): void {
    for (const { resource_type } of this.#each(what)) {
      this.#metrics.losses.inc({ resource_type, kind })
      this.#ended(resource_type, heldMs)
    }
  }

  storeAnswered(tookMs: number, outcome: 'ok' | 'error'): void {
    this.#metrics.storeTime.observe({ outcome }, seconds(tookMs))
  }

  #ended(resource_type: string, heldMs: number): void {
    this.#metrics.active.dec({ resource_type })
    this.#metrics.holdTime.observe({ resource_type }, seconds(heldMs))
  }

  #each({ agentId, resources }: Measured): LockLabels[] {
    return resources.map(({ resourceId }) => this.#labels.of(typeOf(resourceId), agentId))
  }
}

/** Clocks step back, and prom-client throws at what is no number: neither may reach the lock. */
function seconds(ms: number): number {
  return ms > 0 && ms < Infinity ? ms / 1_000 : 0
}
