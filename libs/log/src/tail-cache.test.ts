import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TailCache } from './index.ts'

const WHOLE = { upTo: 100, maxBytes: 1e6 }

test('the budget is shared: the oldest batch goes first, whichever partition owns it', () => {
  const cache = new TailCache({ budgetBytes: 30 })
  const [left, right] = [cache.partition(), cache.partition()]
  left.add(new Uint8Array(10), 0, 1)
  right.add(new Uint8Array(10), 0, 1)
  left.add(new Uint8Array(10), 1, 2)
  right.add(new Uint8Array(10), 1, 2)
  expect(left.read({ fetchOffset: 0, ...WHOLE })).toBeUndefined()
  expect(left.read({ fetchOffset: 1, ...WHOLE })?.nextOffset).toBe(2)
  expect(right.read({ fetchOffset: 0, ...WHOLE })?.nextOffset).toBe(2)
})

test('a batch that is larger than the budget is not kept', () => {
  const cache = new TailCache({ budgetBytes: 5 })
  const tail = cache.partition()
  tail.add(new Uint8Array(10), 0, 1)
  expect(tail.read({ fetchOffset: 0, ...WHOLE })).toBeUndefined()
  expect(cache.sizeBytes).toBe(0)
})

test.for([
  ['array', new Uint8Array(1000)],
  ['Buffer', Buffer.alloc(1000)],
] as const)('a small view of a large %s does not keep it alive', ([, large]) => {
  const tail = new TailCache({ budgetBytes: 100 }).partition()
  tail.add(large.subarray(0, 10), 0, 1)
  const [chunk] = tail.read({ fetchOffset: 0, ...WHOLE })?.chunks ?? []
  expect(chunk?.buffer.byteLength).toBe(10)
})

test('a partition that is dropped frees its batches and takes no more', () => {
  const tail = new TailCache({ budgetBytes: 100 }).partition()
  tail.add(new Uint8Array(10), 0, 1)
  tail.drop()
  tail.add(new Uint8Array(10), 1, 2)
  expect(tail.read({ fetchOffset: 0, ...WHOLE })).toBeUndefined()
})

test('the cache stays within its budget and holds the newest batches', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 200 }), (batchSizes, budgetBytes) => {
      const cache = new TailCache({ budgetBytes })
      const tail = cache.partition()
      let keptBytes = 0
      for (const [index, size] of batchSizes.entries()) {
        tail.add(new Uint8Array(size), index, index + 1)
        expect(cache.sizeBytes).toBeLessThanOrEqual(budgetBytes)
      }
      for (const [index, size] of [...batchSizes.entries()].reverse()) {
        keptBytes += size
        const isCached = tail.read({ fetchOffset: index, ...WHOLE }) !== undefined
        expect(isCached).toBe(keptBytes <= budgetBytes)
        if (!isCached) break
      }
    }),
  )
})
