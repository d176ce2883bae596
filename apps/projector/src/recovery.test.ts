import { FloodBreaker } from '@fairlead/projection'
import { expect, test, vi } from 'vitest'
import { BatchSize } from './batch-size.ts'
import type { HeldPartition } from './held-partition.ts'
import { pause, pauseFor } from './pause.ts'
import { Recovery } from './recovery.ts'
import { ParkLimitError } from './store/park-limits.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { WorkerTroubles } from './worker-troubles.ts'

vi.mock('./pause.ts', () => ({ pause: vi.fn(), pauseFor: vi.fn() }))

const away = () => Object.assign(new Error('the database stops'), { code: '57P01' })

test('waits for room in dead letters do not lengthen those for a database that is away after them', async () => {
  const batchSize = new BatchSize({ recordsMax: 1, fetchBytesMax: 1 })
  // There is nothing to shorten.
  batchSize.tried(1)
  const recovery = new Recovery({
    partition: {} as ProjectionPartition,
    held: { reload: () => Promise.resolve(true) } as unknown as HeldPartition,
    breaker: new FloodBreaker({ parkedKeysMax: 1 }),
    batchSize,
    troubles: new WorkerTroubles(() => undefined),
    observer: { failed: () => undefined },
    nowMs: () => 0,
    signal: new AbortController().signal,
  })
  const tries = recovery.begin()
  await tries.failed(away())
  for (let waits = 0; waits < 20; waits += 1) await tries.failed(new ParkLimitError('no room'))
  expect(pauseFor).toHaveBeenCalledTimes(20)
  await tries.failed(away())
  expect(vi.mocked(pause).mock.calls.map(([attempt]) => attempt)).toEqual([1, 2])
})
