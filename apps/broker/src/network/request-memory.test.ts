import { expect, test } from 'vitest'
import { FRAME_SECOND_STEP_BYTES } from '../limits.ts'
import { RESERVED_FRAME_BYTES_MAX, RequestMemory, largestFrameBytes } from './request-memory.ts'

const MIB = 1024 * 1024
const memory = new RequestMemory({ bulkBytes: 8 * MIB, reserveBytes: MIB })
const [PRODUCE, FETCH, METADATA, OFFSET_COMMIT, HEARTBEAT] = [0, 1, 3, 8, 12]

test.for([
  { key: PRODUCE, declaredBytes: 5_000, bytes: 904, pool: 'small' },
  { key: PRODUCE, declaredBytes: 5 * MIB, bytes: 200_000, pool: 'small' },
  { key: PRODUCE, declaredBytes: 5 * MIB, bytes: FRAME_SECOND_STEP_BYTES, pool: 'large' },
  { key: FETCH, declaredBytes: 5_000, bytes: 904, pool: 'small' },
  { key: METADATA, declaredBytes: 5_000, bytes: 904, pool: 'reserve' },
  { key: OFFSET_COMMIT, declaredBytes: RESERVED_FRAME_BYTES_MAX, bytes: 60_000, pool: 'reserve' },
  { key: OFFSET_COMMIT, declaredBytes: RESERVED_FRAME_BYTES_MAX + 1, bytes: 60_000, pool: 'small' },
  { key: HEARTBEAT, declaredBytes: MIB, bytes: MIB, pool: 'large' },
] as const)('API $key takes $bytes of $declaredBytes from $pool', (row) => {
  const { key, declaredBytes, bytes, pool } = row
  expect(memory.poolFor(bytes, { head: Uint8Array.of(0, key, 0, 9), declaredBytes })).toBe(
    memory[pool],
  )
})

test('the largest frame fits the part for large ones', () => {
  expect(largestFrameBytes(8 * MIB)).toBe(memory.large.capacityBytes)
  expect(memory.small.capacityBytes + memory.large.capacityBytes).toBe(8 * MIB)
})
