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
  expect(cache.heldBytes).toBe(0)
})

test('what a reader holds stays as it is until it is released', () => {
  const buffers = new BufferPool(POOL)
  const cache = new TailCache({ budgetBytes: 16 * SLAB_BYTES, buffers })
  const tail = followed(cache)
  tail.add(new Uint8Array(SLAB_BYTES).fill(1), 0, 1)
  const held = tail.read({ fetchOffset: 0, ...WHOLE })
  for (let offset = 1; offset < 40; offset += 1) {
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
  expect(cache.heldBytes).toBe(0)
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

test('the cache holds no more than its budget, and the newest batches', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 400 }), (batchSizes, budgetBytes) => {
      const buffers = new BufferPool(POOL)
      const cache = new TailCache({ budgetBytes, buffers })
      const tail = cache.partition()
      for (const [index, size] of batchSizes.entries()) {
        tail.follow()
        tail.add(new Uint8Array(size), index, index + 1)
        expect(cache.heldBytes).toBeLessThanOrEqual(budgetBytes)
      }
      // At worst each stands in a buffer of its own, and the oldest beside batches that are gone.
      const slabBytes = Math.floor(budgetBytes / 16)
      let worstBytes = buffers.capacityOf(Math.max(1, slabBytes))
      let isCached = true
      for (const [index, size] of [...batchSizes.entries()].reverse()) {
        worstBytes += buffers.capacityOf(Math.max(slabBytes, size))
        const isFound = tail.read({ fetchOffset: index, ...WHOLE }) !== undefined
        expect(isFound && !isCached).toBe(false)
        expect(isFound || worstBytes > budgetBytes).toBe(true)
        isCached = isFound
      }
    }),
  )
})

test('a slab counts whole until the last of its batches is gone', () => {
  const cache = new TailCache({ budgetBytes: 16_000, buffers: new BufferPool(POOL) })
  const tail = followed(cache)
  for (let offset = 0; offset < 40; offset += 1) {
    tail.follow()
    // Two do not fit into a slab of 1000 bytes: half of every slab is waste.
    tail.add(new Uint8Array(600), offset, offset + 1)
    expect(cache.heldBytes).toBeLessThanOrEqual(16_000)
  }
  expect(tail.read({ fetchOffset: 20, ...WHOLE })).toBeUndefined()
  expect(tail.read({ fetchOffset: 30, ...WHOLE })?.nextOffset).toBe(40)
})

test('a reader of a few bytes holds a copy, and not the slab around them', () => {
  const buffers = new BufferPool(POOL)
  const cache = new TailCache({ budgetBytes: 16 * SLAB_BYTES, buffers })
  const tail = followed(cache)
  tail.add(new Uint8Array(100).fill(1), 0, 1)
  tail.add(new Uint8Array(SLAB_BYTES - 100).fill(2), 1, 2)
  const few = tail.read({ fetchOffset: 0, upTo: 1, maxBytes: 1, isHardLimit: false })
  expect(few).toMatchObject({ chunks: [new Uint8Array(100).fill(1)], nextOffset: 1 })
  expect(few?.heldBytes).toBeLessThanOrEqual(125)
  const many = tail.read({ fetchOffset: 0, ...WHOLE })
  expect(many?.heldBytes).toBe(SLAB_BYTES)
  few?.release()
  many?.release()
})
