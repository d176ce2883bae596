import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import { DEFAULT_LOG_CONFIG } from './log-config.ts'
import { NOW_MS, append, batch, open, readAll, settled } from './testing/log-fixture.ts'

/** Sequences of two mishaps or more that a simulation found: each of them lost something once. */

const SMALL_SEGMENTS = { segmentBytes: 100 }
const KEEP_NOTHING = { ...DEFAULT_LOG_CONFIG, ...SMALL_SEGMENTS, retentionBytes: 0 }

test('what a failed sync left in the page cache is durable once it was recovered', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  append(log, batch({ values: ['a'] }))
  disk.hook = ({ kind }) =>
    kind === 'datasync' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  expect(append(log, batch({ values: ['b'] }))).toMatchObject({ ok: false })

  const afterKill = disk.afterKill()
  const served = readAll(open(afterKill))
  const afterPowerLoss = afterKill.survivor(KEEP_UNSYNCED)
  expect(readAll(open(afterPowerLoss))).toEqual(served)
})

test('a segment whose name was not durable when the process was killed is kept', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: SMALL_SEGMENTS })
  append(log, batch({ values: ['a'] }))
  let isCreated = false
  disk.hook = ({ kind, path }) => {
    isCreated ||= kind === 'open' && path.endsWith('1.log')
    const isCrash = isCreated && kind === 'syncDirectory'
    return isCrash ? { kind: 'crash', keptBytes: 0 } : { kind: 'proceed' }
  }
  append(log, batch({ values: ['b'] }))
  expect(disk.hasCrashed).toBe(true)

  const afterKill = disk.afterKill()
  const reopened = open(afterKill, { config: SMALL_SEGMENTS })
  expect(append(reopened, batch({ values: ['c'] }))).toMatchObject({ ok: true, baseOffset: 1 })
  const recovered = open(afterKill.survivor(LOSE_UNSYNCED), { config: SMALL_SEGMENTS })
  expect(recovered.logEndOffset).toBe(2)
})

test('a log start that was served after a kill does not go back when the power is lost', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  append(log, batch({ values: ['a', 'b', 'c'] }))
  let isRenamed = false
  disk.hook = ({ kind, path }) => {
    isRenamed ||= kind === 'rename' && path.includes('log-start-offset-checkpoint')
    const isCrash = isRenamed && kind === 'syncDirectory'
    return isCrash ? { kind: 'crash', keptBytes: 0 } : { kind: 'proceed' }
  }
  log.deleteRecords(2, () => {})
  expect(disk.hasCrashed).toBe(true)

  const afterKill = disk.afterKill()
  expect(open(afterKill).logStartOffset).toBe(2)
  expect(open(afterKill.survivor(LOSE_UNSYNCED)).logStartOffset).toBe(2)
})

test('retention that comes twice during a roll begins one segment, and keeps what it gets', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  const log = open(disk, { config: KEEP_NOTHING })
  append(log, batch({ values: ['a'] }))
  disk.drain()
  log.enforceRetention(NOW_MS, () => {})
  disk.complete(0)
  log.enforceRetention(NOW_MS, () => {})
  disk.drain()
  append(log, batch({ values: ['b'] }))
  disk.drain()
  log.updateConfig({ ...KEEP_NOTHING, retentionBytes: 10 })
  log.enforceRetention(NOW_MS, () => {})
  disk.drain()

  expect(log.logStartOffset).toBe(1)
  const recovered = open(disk.survivor(LOSE_UNSYNCED, 'immediate'))
  expect(recovered.logEndOffset).toBe(2)
  expect(readAll(recovered).length).toBeGreaterThan(0)
})

test('a checkpoint whose flush fails says so', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  const log = open(disk)
  append(log, batch())
  disk.drain()
  settled<void>((done) => log.checkpoint(done))
  disk.drain()
  append(log, batch())
  disk.hook = ({ kind }) => (kind === 'write' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' })
  const answers: unknown[] = []
  log.checkpoint((result) => answers.push(result))
  disk.drain()
  expect(answers).toMatchObject([{ ok: false, error: { code: 'EIO' } }])
})
