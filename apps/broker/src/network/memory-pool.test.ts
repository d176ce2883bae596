import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryPool } from './memory-pool.ts'

test('who waits is served in order, and newcomers do not overtake', () => {
  const pool = new MemoryPool(100)
  const served: string[] = []
  expect(pool.tryAcquire(80)).toBe(true)
  pool.wait(60, () => served.push('large'))
  pool.wait(10, () => served.push('small'))

  expect(pool.tryAcquire(5)).toBe(false)
  pool.release(30)
  expect(served).toEqual([])
  pool.release(30)
  expect(served).toEqual(['large', 'small'])
  expect(pool.usedBytes).toBe(90)
})

test('who gives up lets the next one through', () => {
  const pool = new MemoryPool(100)
  const served: string[] = []
  pool.tryAcquire(80)
  const giveUp = pool.wait(60, () => served.push('large'))
  pool.wait(10, () => served.push('small'))
  giveUp()
  expect(served).toEqual(['small'])
})

test('the pool is never overdrawn, and everything comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 50 }), (sizes) => {
      const pool = new MemoryPool(100)
      const held: number[] = []
      for (const bytes of sizes) {
        if (pool.tryAcquire(bytes)) held.push(bytes)
        else pool.wait(bytes, () => held.push(bytes))
        expect(pool.usedBytes).toBeLessThanOrEqual(100)
        expect(pool.usedBytes).toBe(held.reduce((sum, size) => sum + size, 0))
        if (bytes % 2 === 0) pool.release(held.shift() ?? 0)
      }
      while (held.length > 0) pool.release(held.shift() ?? 0)
      expect(pool.usedBytes).toBe(0)
      expect(pool.waiterCount).toBe(0)
    }),
  )
})
