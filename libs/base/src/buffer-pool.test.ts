import { expect, test } from 'vitest'
import { BufferPool } from './buffer-pool.ts'

const OPTIONS = { pooledBytesMin: 64, pooledBytesMax: 1024, freeBytesMax: 2048 }

test('a buffer that was given back is taken again, for any size that it holds', () => {
  const pool = new BufferPool(OPTIONS)
  const first = pool.take(100)
  expect(first.length).toBe(100)
  pool.giveBack(first.subarray(10, 20))
  expect(pool.freeBytes).toBe(112)
  const second = pool.take(112)
  expect(second.buffer).toBe(first.buffer)
  expect(second.length).toBe(112)
  expect(pool.freeBytes).toBe(0)
})

test('two takers never share a buffer, though one gives it back twice', () => {
  const pool = new BufferPool(OPTIONS)
  const given = pool.take(64)
  pool.giveBack(given)
  pool.giveBack(given)
  expect(pool.freeBytes).toBe(64)
  expect(pool.take(64).buffer).not.toBe(pool.take(64).buffer)
})

test.for([
  { what: 'of another origin', bytes: () => new Uint8Array(64) },
  { what: 'that is too small to be pooled', bytes: (pool: BufferPool) => pool.take(63) },
  { what: 'that is too large to be pooled', bytes: (pool: BufferPool) => pool.take(1025) },
])('a buffer $what is not kept', ({ bytes }) => {
  const pool = new BufferPool(OPTIONS)
  pool.giveBack(bytes(pool))
  expect(pool.freeBytes).toBe(0)
})

test('no more is kept than the maximum', () => {
  const pool = new BufferPool(OPTIONS)
  const buffers = Array.from({ length: 5 }, () => pool.take(1024))
  for (const buffer of buffers) pool.giveBack(buffer)
  expect(pool.freeBytes).toBe(2048)
})

test('sizes that are no longer given back make room for those that are', () => {
  const pool = new BufferPool(OPTIONS)
  const [small, large] = [
    Array.from({ length: 32 }, () => pool.take(64)),
    Array.from({ length: 2 }, () => pool.take(1024)),
  ]
  for (const buffer of [...small, ...large]) pool.giveBack(buffer)
  expect(pool.freeBytes).toBe(2048)
  const kept = large.map(({ buffer }) => buffer)
  expect(kept).toContain(pool.take(1024).buffer)
  expect(kept).toContain(pool.take(1024).buffer)
})

test('what a buffer holds is known before it is taken, and is at most a quarter more', () => {
  const pool = new BufferPool({ pooledBytesMin: 64, pooledBytesMax: 4096, freeBytesMax: 1e6 })
  for (let sizeBytes = 1; sizeBytes <= 5000; sizeBytes += 1) {
    const capacityBytes = pool.capacityOf(sizeBytes)
    expect(pool.take(sizeBytes).buffer.byteLength).toBe(capacityBytes)
    expect(capacityBytes).toBeLessThanOrEqual(sizeBytes * 1.25)
  }
})
