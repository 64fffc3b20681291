/**
 * Measures all contenders once in each round, each round in another order: what else the machine does at the time then
 * meets all of them alike. The first round warms up and does not count.
 *
 * @returns for each contender what each round gave
 */
export async function inRounds<Name extends string, Result>(
  contenders: Readonly<Record<Name, () => Promise<Result>>>,
  rounds: number,
): Promise<Readonly<Record<Name, readonly Result[]>>> {
  const names = Object.keys(contenders) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<Name, Result[]>
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of shuffled(names)) {
      const result = await contenders[name]()
      if (round > 0) results[name].push(result)
    }
  }
  return results
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ value }) => value)
}
