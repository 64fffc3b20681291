// Serves the metrics of some lock work to Prometheus: node examples/metrics.ts [ROUNDS]
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isResourceLockError, memoryStore, ResourceLockManager } from 'holdfast'
import { register } from 'prom-client'

// Managers count into prom-client's own registry, among whatever else your process counts there.
// So one endpoint is all that is needed, and the one that you have already will do.
const server = createServer((_request, response) => {
  response.setHeader('Content-Type', register.contentType)
  void register.metrics().then((text) => response.end(text))
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
console.log(`serving ${url}`)

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })
// Held all the time, for the number of active locks.
const port = await a.acquire('port:8080', { agentId: 'agent-a', timeout: '1h' })

/** agent-a works on the report, agent-b waits for it, agent-c gives up waiting. */
async function round(): Promise<void> {
  const held = await a.acquire('file:report.md', { agentId: 'agent-a' })
  const next = b.acquire('file:report.md', { agentId: 'agent-b' })
  try {
    await b.acquire('file:report.md', { agentId: 'agent-c', waitTimeout: '60ms' })
  } catch (error) {
    if (!isResourceLockError(error, 'WAIT_TIMEOUT')) throw error
  }
  await held.release()
  await (await next).release()
  // Nobody else wants this one.
  await b.withLock('file:notes.md', { agentId: 'agent-b' }, () => {})
}

const rounds = Number(process.argv[2] ?? 5)
for (let done = 0; done < rounds; done++) await round()

const text = await (await fetch(url)).text()
const lines = text.split('\n').filter((line) => /^resource_locks?_(active|\w+s_total)/.test(line))
for (const line of lines.toSorted()) console.log(line)

await port.release()
server.closeAllConnections()
server.close()
