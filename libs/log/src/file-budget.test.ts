import { SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import { FileBudget, type PartitionLog } from './index.ts'
import { NOW_MS, append, batch, open, readAll, settled } from './testing/log-fixture.ts'

const TINY_SEGMENTS = { segmentBytes: 80, retentionBytes: 300 }

function produce(log: PartitionLog, count: number): (string | undefined)[] {
  return Array.from({ length: count }, () => {
    const result = append(log, batch())
    return result?.ok === false ? result.errorCode : undefined
  })
}

test('a log of tiny segments ends at the budget of files, and goes on after retention', () => {
  const fileBudget = new FileBudget({ filesMax: 30 })
  const disk = new SimulatedDisk()
  const log = open(disk, { config: TINY_SEGMENTS, fileBudget })
  const answers = produce(log, 40)
  expect(answers.filter((errorCode) => errorCode === undefined)).toHaveLength(26)
  expect(answers.at(-1)).toBe('KAFKA_STORAGE_ERROR')
  expect(fileBudget.openCount).toBe(27)
  expect(disk.openFileCount).toBeLessThanOrEqual(27)
  expect(log.failure).toBeUndefined()
  expect(readAll(log).length).toBe(log.sizeBytes)

  settled<void>((done) => log.enforceRetention(NOW_MS, done))
  expect(fileBudget.openCount).toBe(log.segmentCount + 1)
  expect(produce(log, 1)).toEqual([undefined])
})

test('a log of few segments goes on where another has used the budget up', () => {
  const fileBudget = new FileBudget({ filesMax: 30 })
  const config = TINY_SEGMENTS
  expect(produce(open(new SimulatedDisk(), { config, fileBudget }), 40)).toContain(
    'KAFKA_STORAGE_ERROR',
  )
  const other = open(new SimulatedDisk(), { config, fileBudget })
  expect(produce(other, 2)).toEqual([undefined, undefined])
  settled<void>((done) => other.delete(done))
  expect(fileBudget.openCount).toBe(27)
})

test('the message says what to do', () => {
  const fileBudget = new FileBudget({ filesMax: 2 })
  const log = open(new SimulatedDisk(), { config: TINY_SEGMENTS, fileBudget })
  produce(log, 1)
  expect(append(log, batch())).toMatchObject({
    message: expect.stringMatching(
      /2 of 2 files open; raise segment.bytes .* \(ulimit -n\)/,
    ) as string,
  })
})

test('a log that is closed or opened again is counted once', () => {
  const fileBudget = new FileBudget({ filesMax: 100 })
  const disk = new SimulatedDisk()
  const log = open(disk, { config: TINY_SEGMENTS, fileBudget })
  produce(log, 5)
  expect(fileBudget.openCount).toBe(6)
  settled<void>((done) => log.close(done))
  expect(fileBudget.openCount).toBe(0)
  open(disk, { config: TINY_SEGMENTS, fileBudget })
  expect(fileBudget.openCount).toBe(6)
})
