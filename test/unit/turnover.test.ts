import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TurnoverMap } from '../../src/core/turnover.ts'

type Change = readonly ['set', number, number] | readonly ['delete', number] | readonly ['clear']

const key = fc.nat(40)
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), key, fc.nat()) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('delete' as const), key) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const)) },
)

test('a turnover map is a map', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const [map, model] = [new TurnoverMap<number, number>(), new Map<number, number>()]
      for (const [what, at = 0, value = 0] of changes) {
        if (what === 'set') {
          map.set(at, value)
          model.set(at, value)
        } else if (what === 'delete') expect(map.delete(at)).toBe(model.delete(at))
        else {
          map.clear()
          model.clear()
        }
        expect(map.values()).toEqual([...model.values()])
        expect([map.size, map.has(at), map.get(at)]).toEqual([model.size, model.has(at), model.get(at)])
      }
    }),
  )
})

test('its entries outlive its moving to another map, in their order', () => {
  const map = new TurnoverMap<number, string>()
  map.set(-2, 'first')
  map.set(-1, 'second')
  for (let round = 0; round < 10_000; round += 1) {
    map.set(round, 'short-lived')
    map.delete(round)
  }
  map.set(0, 'third')
  expect(map.values()).toEqual(['first', 'second', 'third'])
})
