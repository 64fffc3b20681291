import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeBlocks } from '../support/markdown.ts'
import { root } from '../support/repository.ts'
import { end, type Example, start } from './example.ts'
import { complaintsOfPromtool, Prometheus, type Sample } from './prometheus.ts'

/** A round may have been half done at the first scrape and at the last: after so many that changes little. */
const ROUNDS = 40

/**
 * In each round of the example agent-a gets one lock, at once; agent-b gets two, one of them after waiting for 60 ms;
 * and agent-c gives up waiting. Besides, agent-a holds a port all the time.
 */
describe('the metrics, asked for by a real Prometheus', { timeout: 20_000 }, () => {
  let home: string
  let example: Example
  let target: string
  let prometheus: Prometheus | undefined

  const ask = async (promql: string): Promise<readonly Sample[]> => (await prometheus?.query(promql)) ?? []

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
    example = start('metrics.ts', home, '1000000')
    target = await targetOf(example)
    prometheus = await Prometheus.start(target, '250ms')
    const scraped = 'resource_lock_timeouts_total - min_over_time(resource_lock_timeouts_total[5m])'
    while (((await ask(scraped))[0]?.value ?? 0) < ROUNDS) await sleep(100)
  }, 60_000)

  afterAll(async () => {
    await prometheus?.[Symbol.asyncDispose]()
    const ended = end(example)
    example.kill()
    await ended
    await rm(home, { recursive: true, force: true })
  })

  test('are a page that promtool finds nothing wrong with', async () => {
    const page = await fetch(`http://${target}/metrics`)
    expect(page.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await complaintsOfPromtool(await page.text())).toBe('')
  })

  test.each(['5m', '10s'])('locks granted per second, over %s', async (window) => {
    const granted = await ask(`rate(resource_lock_acquisitions_total[${window}])`)
    expect(namesOf(granted)).toEqual(['file agent-a', 'file agent-b', 'port agent-a'])
    expect(valueOf(granted, 'file agent-a')).toBeGreaterThan(0)
    expectAbout(valueOf(granted, 'file agent-b') / valueOf(granted, 'file agent-a'), 2)
    // It was granted before the first scrape, and never again.
    expect(valueOf(granted, 'port agent-a')).toBe(0)
  })

  test('the time that 95 % of the waits were shorter than', async () => {
    const waits = await ask('histogram_quantile(0.95, rate(resource_lock_wait_time_seconds_bucket[5m]))')
    expect(valueOf(waits, 'file agent-a')).toBeLessThanOrEqual(0.001)
    expect(valueOf(waits, 'file agent-b')).toBeGreaterThan(0.05)
    expect(valueOf(waits, 'file agent-b')).toBeLessThan(5)
    // Who never got a lock has not waited for one.
    expect(namesOf(waits)).not.toContain('file agent-c')
  })

  test('the locks held now', async () => {
    const active = await ask('sum by (resource_type) (resource_locks_active)')
    expect(namesOf(active)).toEqual(['file', 'port'])
    expect(valueOf(active, 'port')).toBe(1)
    expect([0, 1, 2]).toContain(valueOf(active, 'file'))
  })

  test('the contentions for each lock granted', async () => {
    const contended = 'rate(resource_lock_contentions_total[5m])'
    const granted = 'rate(resource_lock_acquisitions_total[5m])'
    const rates = await ask(`${contended} / ${granted}`)
    // agent-a meets nobody, and agent-c has nothing to be divided by.
    expect(namesOf(rates)).toEqual(['file agent-b'])
    expectAbout(valueOf(rates, 'file agent-b'), 1 / 2)

    const [overall] = await ask(`sum(${contended}) / sum(${granted})`)
    expectAbout(overall?.value, 2 / 3)
  })

  test('the requests per second that gave up waiting', async () => {
    const timeouts = await ask('rate(resource_lock_timeouts_total[5m])')
    expect(namesOf(timeouts)).toEqual(['file agent-c'])
    const granted = await ask('rate(resource_lock_acquisitions_total{agent_id="agent-a", resource_type="file"}[5m])')
    expectAbout(valueOf(timeouts, 'file agent-c') / valueOf(granted, 'file agent-a'), 1)
  })

  test('the agents that lock most', async () => {
    const top = await ask('topk(10, sum by (agent_id) (rate(resource_lock_acquisitions_total[5m])))')
    expect(top.map(({ labels }) => labels)).toEqual([{ agent_id: 'agent-b' }, { agent_id: 'agent-a' }])
  })

  test.each(questions())('$path: $question', async ({ question }) => {
    await expect(ask(question)).resolves.toEqual(expect.any(Array))
  })
})

/** Off by half a scrape and by a round at both ends. */
function expectAbout(actual: number | undefined, expected: number): void {
  expect(actual).toBeGreaterThan(expected * 0.75)
  expect(actual).toBeLessThan(expected * 1.25)
}

function nameOf({ labels }: Sample): string {
  return [labels['resource_type'], labels['agent_id']].filter((label) => label !== undefined).join(' ')
}

function namesOf(samples: readonly Sample[]): readonly string[] {
  return samples.map(nameOf).toSorted()
}

function valueOf(samples: readonly Sample[], name: string): number {
  return samples.find((sample) => nameOf(sample) === name)?.value ?? NaN
}

async function targetOf(example: Example): Promise<string> {
  for (;;) {
    const target = /^serving http:\/\/(?<target>.*)\/metrics$/m.exec(example.output)?.groups?.['target']
    if (target !== undefined) return target
    if (example.exitCode !== null) throw new Error(`the example ended: ${example.complaints}`)
    await Promise.race([once(example.stdout ?? example, 'data'), once(example, 'close')])
  }
}

/** Every question to Prometheus that stands in a document. */
function questions(): readonly { readonly path: string; readonly question: string }[] {
  return ['examples/README.md', 'docs/guide.md'].flatMap((path) =>
    codeBlocks(readFileSync(join(root, path), 'utf8'))
      .filter(({ language }) => language === 'promql')
      .flatMap(({ code }) => code.split('\n\n'))
      .map((block) => ({ path, question: block.replaceAll(/^#.*\n/gm, '').trim() })),
  )
}
