import { execFileSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import { Counter, type MetricValue, type OpenMetricsContentType, register, Registry } from 'prom-client'
import { afterEach, describe, expect, test } from 'vitest'
import { createMetrics, type LockMetrics, type Measured, noMetrics } from '../../src/core/reporting/metrics.ts'
import { parseClaims } from '../../src/core/resource/resource.ts'

const what = (agentId: string, ...resources: string[]): Measured => ({
  agentId,
  resources: parseClaims(resources, 'exclusive'),
})
const file = what('a', 'file:1')

async function valuesOf(registry: Registry, name: string): Promise<MetricValue<string>[]> {
  return (await registry.getSingleMetric(name)?.get())?.values ?? []
}

/** The value with exactly these labels; of a histogram, with the name of one of its series. */
async function value(
  registry: Registry,
  name: string,
  labels: Record<string, string | number>,
  series?: string,
): Promise<number | undefined> {
  const found = (await valuesOf(registry, name)).filter(
    (each) =>
      (series === undefined || (each as { metricName?: string }).metricName === `${name}_${series}`) &&
      isDeepStrictEqual(each.labels, labels),
  )
  return found[0]?.value
}

const fileOfA = { resource_type: 'file', agent_id: 'a' }

describe('the metrics of the lock model', () => {
  test('have exactly these names, kinds and labels', async () => {
    const registry = new Registry()
    await createMetrics({ registry })
    const made = registry
      .getMetricsAsArray()
      .map((metric) => metric as unknown as { name: string; type: string; labelNames: string[] })
      .map(({ name, type, labelNames }) => `${type} ${name}{${labelNames.join(',')}}`)
    expect(made).toEqual([
      'counter resource_lock_acquisitions_total{resource_type,agent_id}',
      'histogram resource_lock_wait_time_seconds{resource_type,agent_id}',
      'gauge resource_locks_active{resource_type}',
      'counter resource_lock_contentions_total{resource_type,agent_id}',
      'counter resource_lock_releases_total{resource_type,agent_id}',
      'counter resource_lock_timeouts_total{resource_type,agent_id}',
      'histogram resource_lock_hold_time_seconds{resource_type}',
      'counter resource_lock_losses_total{resource_type,kind}',
      'histogram resource_lock_store_time_seconds{outcome}',
    ])
  })

  test('count every grant and its wait, one that did not wait included', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    metrics.granted(file, 0)
    metrics.granted(file, 2_500)
    expect(await value(registry, 'resource_lock_acquisitions_total', fileOfA)).toBe(2)
    expect(await value(registry, 'resource_lock_wait_time_seconds', fileOfA, 'count')).toBe(2)
    expect(await value(registry, 'resource_lock_wait_time_seconds', fileOfA, 'sum')).toBe(2.5)
    expect(await value(registry, 'resource_lock_wait_time_seconds', { ...fileOfA, le: 0.001 }, 'bucket')).toBe(1)
  })

  test('count what a request over several resources does once per resource', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    metrics.granted(what('a', 'file:1', 'file:2', 'port:80'), 10)
    expect(await value(registry, 'resource_lock_acquisitions_total', fileOfA)).toBe(2)
    expect(await value(registry, 'resource_lock_acquisitions_total', { ...fileOfA, resource_type: 'port' })).toBe(1)
    expect(await value(registry, 'resource_locks_active', { resource_type: 'file' })).toBe(2)
  })

  test('show as active what was granted and is neither released nor lost', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    const active = (): Promise<number | undefined> =>
      value(registry, 'resource_locks_active', { resource_type: 'file' })
    for (let i = 0; i < 3; i++) metrics.granted(file, 0)
    expect(await active()).toBe(3)
    metrics.released(file, 1_000)
    expect(await active()).toBe(2)
    metrics.lost(file, 'unreachable', 500)
    expect(await active()).toBe(1)
  })

  test('count as releases only what its holder let go of', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    metrics.released(file, 1_000)
    metrics.lost(file, 'expired', 500)
    metrics.lost(file, 'forced', 500)
    expect(await value(registry, 'resource_lock_releases_total', fileOfA)).toBe(1)
    expect(await value(registry, 'resource_lock_losses_total', { resource_type: 'file', kind: 'expired' })).toBe(1)
    expect(await value(registry, 'resource_lock_losses_total', { resource_type: 'file', kind: 'forced' })).toBe(1)
    expect(await value(registry, 'resource_lock_hold_time_seconds', { resource_type: 'file' }, 'sum')).toBe(2)
  })

  test('count contention and timeouts', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    metrics.contended(file)
    metrics.contended(file)
    metrics.timedOut(file)
    expect(await value(registry, 'resource_lock_contentions_total', fileOfA)).toBe(2)
    expect(await value(registry, 'resource_lock_timeouts_total', fileOfA)).toBe(1)
  })

  test('time the answers of the store', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    metrics.storeAnswered(20, 'ok')
    metrics.storeAnswered(5_000, 'error')
    expect(await value(registry, 'resource_lock_store_time_seconds', { outcome: 'ok' }, 'sum')).toBe(0.02)
    expect(await value(registry, 'resource_lock_store_time_seconds', { outcome: 'error' }, 'sum')).toBe(5)
  })

  test('never throw at what a clock may come up with', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    for (const odd of [-5, Number.NaN, Infinity]) metrics.granted(file, odd)
    expect(await value(registry, 'resource_lock_wait_time_seconds', fileOfA, 'sum')).toBe(0)
    expect(await value(registry, 'resource_lock_wait_time_seconds', fileOfA, 'count')).toBe(3)
  })

  test('can be read as text, in both formats, whatever an agent is called', async () => {
    const openMetrics = new Registry<OpenMetricsContentType>()
    openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    for (const registry of [new Registry(), openMetrics]) {
      const metrics = await createMetrics({ registry })
      metrics.granted(what('a "quoted"\nname', 'file:1'), 0)
      expect(await registry.metrics()).toContain(
        String.raw`resource_lock_acquisitions_total{resource_type="file",agent_id="a \"quoted\"\nname"} 1`,
      )
    }
  })
})

describe('two managers on one registry', () => {
  test('share its metrics', async () => {
    const registry = new Registry()
    const [one, two] = [await createMetrics({ registry }), await createMetrics({ registry })]
    one.granted(file, 0)
    two.granted(file, 0)
    expect(await value(registry, 'resource_lock_acquisitions_total', fileOfA)).toBe(2)
    expect(await value(registry, 'resource_locks_active', { resource_type: 'file' })).toBe(2)
  })

  test('share the number of agents that get a label of their own', async () => {
    const registry = new Registry()
    const one = await createMetrics({ registry, maxAgents: 3 })
    const two = await createMetrics({ registry, maxAgents: 3 })
    one.granted(what('a', 'file:1'), 0)
    two.granted(what('b', 'file:1'), 0)
    one.granted(what('c', 'port:1'), 0)
    for (const metrics of [one, two]) {
      for (const agentId of ['a', 'd', 'e']) metrics.granted(what(agentId, 'file:1'), 0)
    }
    const agents = (await valuesOf(registry, 'resource_lock_acquisitions_total'))
      .filter(({ labels }) => labels['resource_type'] === 'file')
      .map(({ labels, value: count }) => [labels['agent_id'], count])
    expect(agents).toEqual([
      ['a', 3],
      ['b', 1],
      ['other', 4],
    ])
  })

  test('have 1000 agents by default', async () => {
    const registry = new Registry()
    const metrics = await createMetrics({ registry })
    for (let i = 0; i < 1_010; i++) metrics.contended(what(`agent-${i}`, 'file:1'))
    expect(await valuesOf(registry, 'resource_lock_contentions_total')).toHaveLength(1_001)
    expect(await value(registry, 'resource_lock_contentions_total', { ...fileOfA, agent_id: 'other' })).toBe(10)
  })
})

describe('a registry', () => {
  afterEach(() => register.clear())

  test("is prom-client's own unless another is given", async () => {
    const metrics = await createMetrics()
    metrics.granted(file, 0)
    expect(await value(register, 'resource_lock_acquisitions_total', fileOfA)).toBe(1)
  })

  test('with a metric of the same name that is not ours is refused', async () => {
    const registry = new Registry()
    const mine = new Counter({ name: 'resource_lock_releases_total', help: 'mine', registers: [registry] })
    await expect(createMetrics({ registry })).rejects.toThrow(`'resource_lock_releases_total' already`)
    expect((await mine.get()).help).toBe('mine')
  })

  test('is refused with an unknown option', async () => {
    await expect(createMetrics({ registery: new Registry() } as never)).rejects.toThrow("'registery' is not an option")
  })
})

test('no metrics take the same calls', () => {
  const calls: readonly (keyof LockMetrics)[] = [
    'granted',
    'contended',
    'timedOut',
    'released',
    'lost',
    'storeAnswered',
  ]
  expect(Object.keys(noMetrics)).toEqual(calls)
  expect(() => noMetrics.lost(file, 'expired', 1)).not.toThrow()
})

test('prom-client is not loaded before metrics are made', () => {
  const script = `
    import { createRequire } from 'node:module'
    const { noMetrics, createMetrics } = await import(${JSON.stringify(new URL('../../src/core/reporting/metrics.ts', import.meta.url).href)})
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('prom-client'))
    const before = loaded()
    await createMetrics()
    console.log(JSON.stringify([before, loaded()]))`
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  })
  expect(JSON.parse(output)).toEqual([false, true])
})
