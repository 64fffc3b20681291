import fc from 'fast-check'

const FACTOR = Number(process.env['HOLDFAST_FUZZ_FACTOR'] ?? 1)

/** How often something is tried: so many hundred times, more with `HOLDFAST_FUZZ_FACTOR`. */
export function runs(hundreds: number): number {
  return Math.ceil(hundreds * 100 * FACTOR)
}

const PIECES: readonly string[] = [
  ['a', 'file:', 'src/a.ts', '/', '//', '..', '../', './', '**', '/**', ':', '::', '*', '?', '#', '%2f', ' ', '\\'],
  ['\u0000', '\n', '\u007F', '\u200B', '\uFEFF', '\uD800', '\uDC00', '😀', 'é', 'e\u0301', '{', '}', '"', "'", '$('],
  ['__proto__', 'constructor', 'null', '0', '-1', '1e999', 'x'.repeat(300)],
].flat()

/** Texts that somebody may write, and those that nobody should: control characters, halves of pairs, very long ones. */
export function awkwardText(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(...PIECES)
  return fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ maxLength: 1200 }),
  )
}

/** Any value at all. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true, withSparseArray: true }),
  fc.constantFrom<unknown>(undefined, null, NaN, -0, Infinity, 1n, '', Symbol('x'), () => 1, new Proxy({}, {})),
)

/** An object with some of these properties, now and then with one that is not foreseen, or something else altogether. */
export function mostlyAn(properties: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const some = fc.record(properties, { requiredKeys: Object.keys(properties).slice(0, 1) })
  return fc.oneof(
    { arbitrary: some, weight: 8 },
    {
      arbitrary: fc.tuple(some, awkwardText(), anything).map(([given, key, value]) => ({ ...given, [key]: value })),
      weight: 1,
    },
    { arbitrary: anything, weight: 1 },
  )
}
