/**
 * A map for what comes and goes all the time.
 *
 * When a `Map` has no room left for another key, V8 moves what is in it into a new table, and the old one points to it.
 * Once the garbage collector has taken one of the tables for old, it keeps all that follow, and whatever was ever in
 * them, until its next full collection: short-lived objects then cost several times as much as they should. Moving the
 * entries into another map now and then cuts that chain.
 */
export class TurnoverMap<Key, Value> {
  #map = new Map<Key, Value>()
  #removed = 0

  get size(): number {
    return this.#map.size
  }

  has(key: Key): boolean {
    return this.#map.has(key)
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key)
  }

  set(key: Key, value: Value): void {
    this.#map.set(key, value)
  }

  delete(key: Key): boolean {
    if (!this.#map.delete(key)) return false
    this.#removed += 1
    if (this.#removed >= RENEW_AFTER && this.#removed >= this.#map.size) this.#renew()
    return true
  }

  /** What is in it now. */
  values(): Value[] {
    return [...this.#map.values()]
  }

  clear(): void {
    this.#map = new Map()
    this.#removed = 0
  }

  #renew(): void {
    this.#map = new Map(this.#map)
    this.#removed = 0
  }
}

/** Removals after which the entries move on, unless there are more entries than that. */
const RENEW_AFTER = 1_024
