import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EffectRanges, type StoredRanges } from './effect-ranges.ts'

const at = (offset: number): ReadonlyMap<number, number> => new Map([[0, offset]])
const ranges = (stored: StoredRanges | null, isLive: boolean) =>
  new EffectRanges({ stored, isLive })

test('a version that was live from its beginning has every effect until another one is shown', () => {
  const first = ranges(null, true)
  expect(first.includes(3, 0)).toBe(true)
  const closed = ranges(first.closedAt(at(10)), false)
  expect([closed.includes(0, 9), closed.includes(0, 10)]).toEqual([true, false])
})

test('ranges that became empty are forgotten', () => {
  const opened = EffectRanges.none.openedAt(at(10))
  expect(ranges(opened, true).closedAt(at(10))).toEqual({ 0: [] })
})

test('what is left to a version that is behind is counted, and nothing of what follows', () => {
  const stored: StoredRanges = {
    0: [
      [5, 10],
      [20, 30],
    ],
    1: [[0, 4]],
    2: [[7, null]],
  }
  const behind = new Map([
    [0, 8],
    [2, 7],
  ])
  expect(ranges(stored, false).pendingCount(behind)).toBe(2 + 10 + 4)
  expect(ranges(null, false).pendingCount(behind)).toBe(0)
})

test('a partition that the topic has only since a swap is the live one’s', () => {
  const live = ranges(EffectRanges.none.openedAt(at(10)), true)
  const standby = ranges(ranges(null, true).closedAt(at(10)), false)
  expect([live.includes(1, 0), standby.includes(1, 0)]).toEqual([true, false])
})

test('the effects of each offset are those of one version, however often they are swapped', () => {
  const swaps = fc.array(fc.nat(20), { maxLength: 8 })
  fc.assert(
    fc.property(swaps, (steps) => {
      let live: StoredRanges | null = null
      let standby: StoredRanges | null = null
      let offset = 0
      for (const step of steps) {
        offset += step
        const closed = ranges(live, true).closedAt(at(offset))
        live = ranges(standby, false).openedAt(at(offset))
        standby = closed
      }
      for (let of = 0; of < offset + 5; of += 1) {
        const owners = [ranges(live, true), ranges(standby, false)].filter((each) =>
          each.includes(0, of),
        )
        expect(owners).toHaveLength(1)
      }
    }),
  )
})
