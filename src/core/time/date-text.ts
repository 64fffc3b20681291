import { formatDuration } from './duration.ts'

/** A moment for people, to the second, in UTC. */
export function timeText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'an unknown time' : date.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** @param nowMs wall-clock time. Default: this process's clock. */
export function agoText(date: Date, nowMs: number = Date.now()): string {
  return `${formatDuration(nowMs - date.getTime())} ago`
}

/** @param nowMs wall-clock time. Default: this process's clock. */
export function leftText(date: Date, nowMs: number = Date.now()): string {
  const ms = date.getTime() - nowMs
  return ms > 0 ? `in ${formatDuration(ms)}` : 'now'
}
