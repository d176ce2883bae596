import { BufferPool } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TailCache } from './index.ts'

const WHOLE = { upTo: 100, maxBytes: 1e7, isHardLimit: false }
const SLAB_BYTES = 1_048_576
const POOL = { pooledBytesMin: 1, pooledBytesMax: 1e8, freeBytesMax: 1e8 }

function followed(cache: TailCache) {
  const tail = cache.partition()
  tail.follow()
  return tail
}

test('the budget is shared: the oldest batch goes first, whichever partition owns it', () => {
  const cache = new TailCache({ budgetBytes: 30, buffers: new BufferPool(POOL) })
  const [left, right] = [followed(cache), followed(cache)]
  left.add(new Uint8Array(10), 0, 1)
  right.add(new Uint8Array(10), 0, 1)
  left.add(new Uint8Array(10), 1, 2)
  right.add(new Uint8Array(10), 1, 2)
  expect(left.read({ fetchOffset: 0, ...WHOLE })).toBeUndefined()
  expect(left.read({ fetchOffset: 1, ...WHOLE })?.nextOffset).toBe(2)
  expect(right.read({ fetchOffset: 0, ...WHOLE })?.nextOffset).toBe(2)
})

test('a batch that ends above the limit of the reader is not served', () => {
  const cache = new TailCache({ budgetBytes: 100, buffers: new BufferPool(POOL) })
  const tail = followed(cache)
  for (const offset of [0, 2, 4]) tail.add(new Uint8Array(10).fill(1), offset, offset + 2)
  const nextOffsets = [1, 2, 3, 4, 6].map(
    (upTo) => tail.read({ fetchOffset: 0, ...WHOLE, upTo })?.nextOffset,
  )
  expect(nextOffsets).toEqual([0, 2, 2, 4, 6])
})

test('a batch that is larger than the budget is not kept', () => {
  const cache = new TailCache({ budgetBytes: 5, buffers: new BufferPool(POOL) })
  const tail = followed(cache)
  tail.add(new Uint8Array(10), 0, 1)
  expect(tail.read({ fetchOffset: 0, ...WHOLE })).toBeUndefined()
  expect(cache.sizeBytes).toBe(0)
})

test('what a reader holds stays as it is until it is released', () => {
  const buffers = new BufferPool(POOL)
  const cache = new TailCache({ budgetBytes: SLAB_BYTES, buffers })
  const tail = followed(cache)
  tail.add(new Uint8Array(SLAB_BYTES).fill(1), 0, 1)
  const held = tail.read({ fetchOffset: 0, ...WHOLE })
  for (let offset = 1; offset < 10; offset += 1) {
    tail.follow()
    tail.add(new Uint8Array(SLAB_BYTES).fill(2), offset, offset + 1)
  }
  expect(held?.chunks[0]?.every((byte) => byte === 1)).toBe(true)
  const beforeBytes = buffers.freeBytes
  held?.release()
  expect(buffers.freeBytes).toBe(beforeBytes + SLAB_BYTES)
})

test('a batch is copied: the buffer of its request is used again', () => {
  const tail = followed(new TailCache({ budgetBytes: 100, buffers: new BufferPool(POOL) }))
  const request = new Uint8Array(10).fill(1)
  tail.add(request, 0, 1)
  request.fill(2)
  expect(tail.read({ fetchOffset: 0, ...WHOLE })?.chunks).toEqual([new Uint8Array(10).fill(1)])
})

test('a partition whose end nobody reads is not cached, until somebody does', () => {
  const cache = new TailCache({ budgetBytes: 25, buffers: new BufferPool(POOL) })
  const tail = cache.partition()
  tail.add(new Uint8Array(10), 0, 1)
  expect(cache.sizeBytes).toBe(0)
  tail.follow()
  for (let offset = 1; offset <= 3; offset += 1) tail.add(new Uint8Array(10), offset, offset + 1)
  expect(tail.read({ fetchOffset: 2, ...WHOLE })).toBeUndefined()
  tail.follow()
  tail.add(new Uint8Array(10), 4, 5)
  expect(tail.read({ fetchOffset: 4, ...WHOLE })?.nextOffset).toBe(5)
})

test('a partition that is dropped frees its batches and takes no more', () => {
  const tail = followed(new TailCache({ budgetBytes: 100, buffers: new BufferPool(POOL) }))
  tail.add(new Uint8Array(10), 0, 1)
  tail.drop()
  tail.add(new Uint8Array(10), 1, 2)
  expect(tail.read({ fetchOffset: 0, ...WHOLE })).toBeUndefined()
})

test('the cache stays within its budget and holds the newest batches', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 200 }), (batchSizes, budgetBytes) => {
      const cache = new TailCache({ budgetBytes, buffers: new BufferPool(POOL) })
      const tail = cache.partition()
      let keptBytes = 0
      for (const [index, size] of batchSizes.entries()) {
        tail.follow()
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
