import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyLanes } from './key-lanes.ts'

test('a key waits for what runs of it, and for nothing else', () => {
  const lanes = new KeyLanes<number>({ lanesMax: 2 })
  for (const [key, item] of [
    ['a', 1],
    ['a', 2],
    ['b', 3],
    ['c', 4],
  ] as const) {
    lanes.add(key, item)
  }
  expect([lanes.take(), lanes.take(), lanes.take()]).toEqual([
    { key: 'a', item: 1 },
    { key: 'b', item: 3 },
    undefined,
  ])
  lanes.done('b')
  expect([lanes.take(), lanes.take()]).toEqual([{ key: 'c', item: 4 }, undefined])
  lanes.done('a')
  lanes.done('c')
  expect(lanes.take()).toEqual({ key: 'a', item: 2 })
  lanes.done('a')
  expect(lanes.isIdle).toBe(true)
})

test('in whatever order items end, each key has its order, and no more run than there are lanes', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.infiniteStream(fc.nat()),
      fc.infiniteStream(fc.boolean()),
      (keys, lanesMax, picks, adds) => {
        const lanes = new KeyLanes<number>({ lanesMax })
        const waiting = [...keys.entries()]
        const running: { readonly key: string; readonly item: number }[] = []
        const taken = new Map<string, number[]>()
        while (waiting.length > 0 || !lanes.isIdle) {
          const [next] = waiting
          if (next !== undefined && adds.next().value === true) {
            waiting.shift()
            lanes.add(next[1], next[0])
          }
          for (let one = lanes.take(); one !== undefined; one = lanes.take()) {
            expect(running.map((each) => each.key)).not.toContain(one.key)
            running.push(one)
            taken.set(one.key, [...(taken.get(one.key) ?? []), one.item])
          }
          expect(running.length).toBeLessThanOrEqual(lanesMax)
          const [ended] = running.splice(Number(picks.next().value) % (running.length || 1), 1)
          if (ended !== undefined) lanes.done(ended.key)
        }
        const expected = Map.groupBy(keys.keys(), (index) => keys[index] ?? '')
        expect(taken).toEqual(new Map([...expected].map(([each, items]) => [each, items])))
      },
    ),
  )
})

test('a lane is never left empty while a key could use it', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd')
  fc.assert(
    fc.property(
      fc.array(key, { minLength: 1 }),
      fc.integer({ min: 1, max: 5 }),
      (keys, lanesMax) => {
        const lanes = new KeyLanes<number>({ lanesMax })
        for (const [item, each] of keys.entries()) lanes.add(each, item)
        let runningCount = 0
        while (lanes.take() !== undefined) runningCount += 1
        expect(runningCount).toBe(Math.min(lanesMax, new Set(keys).size))
      },
    ),
  )
})
