/** The opaque place in an event log: which log, and how far. */
export interface Cursor {
  readonly epoch: string
  readonly number: number
}

export function formatCursor(epoch: string, number: number): string {
  return `${epoch}.${number}`
}

/** `undefined` for anything that no log has ever handed out. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^([0-9a-f]{32})\.(0|[1-9][0-9]{0,15})$/u.exec(text)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return { epoch: match[1], number: Number(match[2]) }
}
