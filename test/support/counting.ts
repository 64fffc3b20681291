/** Calls of anything under an object, and how many rows they gave. */
export class Counter {
  calls = 0
  rows = 0

  note(result: unknown): void {
    this.calls += 1
    if (Array.isArray(result)) this.rows += result.length
    else if (result !== undefined) this.rows += 1
  }

  reset(): void {
    this.calls = 0
    this.rows = 0
  }
}

/** The same object, with every call of it and of what hangs on it counted. */
export function counted<T extends object>(target: T, counter: Counter): T {
  const members = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(of, name) {
      const known = members.get(name)
      if (known !== undefined) return known
      const member = countedMember(of, Reflect.get(of, name), counter)
      members.set(name, member)
      return member
    },
  })
}

function countedMember(of: object, member: unknown, counter: Counter): unknown {
  if (typeof member === 'object' && member !== null) return counted(member, counter)
  if (typeof member !== 'function') return member
  return (...args: unknown[]): unknown => {
    const result: unknown = Reflect.apply(member, of, args)
    counter.note(result)
    return result
  }
}
