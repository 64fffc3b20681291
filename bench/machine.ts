import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'

/** What the figures depend on, in a line. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`
  const load = `load ${loadavg()[0]?.toFixed(1)} before the run`
  return `${availableParallelism()} cores (${model}), ${memory}, ${type()} ${release()}, Node ${process.version}, ${load}`
}
