import { EventFailure, FencedError, FloodBreaker, type LogRecord } from '@fairlead/projection'
import { beforeEach, expect, test, vi } from 'vitest'
import { FloodError } from './apply-batch.ts'
import { BatchSize } from './batch-size.ts'
import type { HeldPartition } from './held-partition.ts'
import { pause, pauseFor } from './pause.ts'
import { Recovery } from './recovery.ts'
import { ParkLimitError } from './store/park-limits.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { WorkerTroubles } from './worker-troubles.ts'

vi.mock('./pause.ts', () => ({ pause: vi.fn(), pauseFor: vi.fn() }))

const away = () => Object.assign(new Error('the database stops'), { code: '57P01' })

const failedOnce = new EventFailure('retry', {
  record: { topic: 'outbox.event.account', partition: 0, offset: 7 } as LogRecord,
  attempt: 1,
  failureClass: 'code',
  cause: new Error('not yet'),
})

beforeEach(() => {
  vi.mocked(pause).mockClear()
  vi.mocked(pauseFor).mockClear()
})

function recoveryOf({
  signal,
  isHeld,
}: {
  readonly signal: AbortSignal
  readonly isHeld: boolean
}) {
  const batchSize = new BatchSize({ recordsMax: 1, fetchBytesMax: 1 })
  // There is nothing to shorten.
  batchSize.tried(1)
  return new Recovery({
    partition: { projection: { retry: { retries: 1 } } } as ProjectionPartition,
    held: { reload: () => Promise.resolve(isHeld) } as unknown as HeldPartition,
    breaker: new FloodBreaker({ parkedKeysMax: 1 }),
    batchSize,
    troubles: new WorkerTroubles(() => undefined),
    observer: { failed: () => undefined },
    nowMs: () => 0,
    signal,
  })
}

test.for([
  ['a database that is away', away()],
  ['a flood', new FloodError('too many keys')],
  ['room in dead letters', new ParkLimitError('no room')],
  ['the next try of an event', failedOnce],
  ['another owner of the partition', new FencedError('it has moved')],
] as const)('a wait for %s ends with the worker', async ([, error]) => {
  const { signal } = new AbortController()
  await recoveryOf({ signal, isHeld: false }).begin().failed(error)
  const waits = [...vi.mocked(pause).mock.calls, ...vi.mocked(pauseFor).mock.calls]
  expect(waits.map((wait) => wait.at(-1) === signal)).toEqual([true])
})

test('a wait for what is read ends with the worker', async () => {
  const { signal } = new AbortController()
  const read = vi.fn().mockRejectedValueOnce(away()).mockResolvedValueOnce('found')
  expect(await recoveryOf({ signal, isHeld: true }).untilDone('fetch', read)).toBe('found')
  expect(vi.mocked(pause).mock.calls.map((wait) => wait.at(-1) === signal)).toEqual([true])
})

test('waits for room in dead letters do not lengthen those for a database that is away after them', async () => {
  const recovery = recoveryOf({ signal: new AbortController().signal, isHeld: true })
  const tries = recovery.begin()
  await tries.failed(away())
  for (let waits = 0; waits < 20; waits += 1) await tries.failed(new ParkLimitError('no room'))
  expect(pauseFor).toHaveBeenCalledTimes(20)
  await tries.failed(away())
  expect(vi.mocked(pause).mock.calls.map(([attempt]) => attempt)).toEqual([1, 2])
})
