/** Each shard has its own stretch of the request ids; within it they rise by one, as they do in the shard. */
const STRETCH = 2 ** 45

/** More would not fit into the integers that a number can hold exactly. */
export const MAX_SHARDS = 256

export function outerId(shard: number, inner: number): number {
  return shard * STRETCH + inner
}

export function innerId(outer: number): number {
  return outer % STRETCH
}

export function shardOfId(outer: number): number {
  return Math.floor(outer / STRETCH)
}
