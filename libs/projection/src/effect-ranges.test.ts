import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EffectRanges, type StoredRanges } from './effect-ranges.ts'

const at = (offset: number): ReadonlyMap<number, number> => new Map([[0, offset]])

describe('a version that was live from its beginning', () => {
  test('has every effect until another one is shown', () => {
    const first = new EffectRanges(null)
    expect(first.includes(3, 0)).toBe(true)
    const closed = new EffectRanges(first.closedAt(at(10)))
    expect([closed.includes(0, 9), closed.includes(0, 10)]).toEqual([true, false])
  })
})

test('ranges that became empty are forgotten', () => {
  const opened = EffectRanges.none.openedAt(at(10))
  expect(new EffectRanges(opened).closedAt(at(10))).toEqual({ 0: [] })
})

test('the effects of each offset are those of one version, however often they are swapped', () => {
  const swaps = fc.array(fc.nat(20), { maxLength: 8 })
  fc.assert(
    fc.property(swaps, (steps) => {
      let live: StoredRanges | null = null
      let standby: StoredRanges | null = {}
      let offset = 0
      for (const step of steps) {
        offset += step
        const closed = new EffectRanges(live).closedAt(at(offset))
        live = new EffectRanges(standby).openedAt(at(offset))
        standby = closed
      }
      for (let of = 0; of < offset + 5; of += 1) {
        const owners = [live, standby].filter((ranges) => new EffectRanges(ranges).includes(0, of))
        expect(owners).toHaveLength(1)
      }
    }),
  )
})
