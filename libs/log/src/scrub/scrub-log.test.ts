import { crc32c } from '@fairlead/protocol'
import { SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { runTask } from '../disk-task.ts'
import type { DiskResult, LogConfig, PartitionLog } from '../index.ts'
import { compact, keyed } from '../testing/compaction-fixture.ts'
import { DIRECTORY, append, open, read } from '../testing/log-fixture.ts'
import { type DamagedRange, scrubLog } from './scrub-log.ts'

/** Two batches an interval, four a segment: offsets 0-3 and 4-7 are closed, 8 and 9 are appended to. */
const CONFIG: Partial<LogConfig> = { segmentBytes: 300, indexIntervalBytes: 130 }
const FIRST = `${DIRECTORY}/00000000000000000000.log`
const BATCH_BYTES = 71

function filled(config: Partial<LogConfig> = CONFIG) {
  const disk = new SimulatedDisk()
  const log = open(disk, { config })
  for (let index = 0; index < 10; index += 1) append(log, keyed([{ key: 'k', value: `v${index}` }]))
  log.checkpoint(() => {})
  return { disk, log }
}

function scrub(disk: SimulatedDisk, log: PartitionLog) {
  const damaged: DamagedRange[] = []
  let result: DiskResult<number> | undefined
  const ports = { disk, crc32c, onDamage: (range: DamagedRange) => damaged.push(range) }
  runTask(scrubLog(log.scrubJob(100), ports), (end) => {
    result = end
  })
  return { damaged, result }
}

function ranges(damaged: readonly DamagedRange[]): string[] {
  return damaged.map(({ fromOffset, endOffset }) => `${fromOffset}-${endOffset - 1}`)
}

describe('a scrub', () => {
  test('finds nothing in a log that is whole, and reads all of it', () => {
    const { disk, log } = filled()
    expect(scrub(disk, log)).toEqual({ damaged: [], result: { ok: true, value: log.sizeBytes } })
  })

  test('finds every byte that is another than it was, and the interval that it is in', () => {
    const sizeBytes = filled().disk.contentOf(FIRST).length
    expect(sizeBytes).toBe(4 * BATCH_BYTES)
    for (let position = 0; position < sizeBytes; position += 1) {
      const { disk, log } = filled()
      const content = disk.contentOf(FIRST)
      content[position] = (content[position] ?? 0) ^ 0x10
      const { damaged, result } = scrub(disk, log)
      expect(result?.ok).toBe(true)
      expect(ranges(damaged)).toEqual([position < 2 * BATCH_BYTES ? '0-1' : '2-3'])
    }
  })

  test('goes on behind what is damaged', () => {
    const { disk, log } = filled()
    disk.contentOf(FIRST).fill(0xff, 10, 20)
    const last = disk.contentOf(`${DIRECTORY}/00000000000000000008.log`)
    last.fill(0, 65, 69)
    expect(ranges(scrub(disk, log).damaged)).toEqual(['0-1', '8-9'])
  })

  test('without an index, knows the checksums of the batches alone', () => {
    const { disk, log } = filled()
    disk.removeFile(FIRST.replace('.log', '.idx'), () => {})
    expect(scrub(disk, log).damaged).toEqual([])
    disk.contentOf(FIRST).fill(0xff, 3 * BATCH_BYTES + 62, 3 * BATCH_BYTES + 65)
    expect(ranges(scrub(disk, log).damaged)).toEqual(['0-3'])
  })

  test('reads segments that were compacted', () => {
    const { disk, log } = filled({ ...CONFIG, cleanupPolicy: ['compact'] })
    compact(disk, log)
    expect(scrub(disk, log).damaged).toEqual([])
    disk.contentOf(FIRST).fill(0, 61, 65)
    expect(ranges(scrub(disk, log).damaged)).toEqual(['0-7'])
  })

  test('takes what cannot be read for damage', () => {
    const { disk, log } = filled()
    disk.hook = ({ kind, path }) =>
      kind === 'read' && path === FIRST ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
    const { damaged, result } = scrub(disk, log)
    expect(result?.ok).toBe(true)
    expect(ranges(damaged)).toEqual(['0-1', '2-3'])
  })
})

describe('a range that is quarantined', () => {
  test('is not served, and what is around it is', () => {
    const { disk, log } = filled()
    disk.contentOf(FIRST).fill(0xff, 2 * BATCH_BYTES, 2 * BATCH_BYTES + 8)
    const [damaged] = scrub(disk, log).damaged
    if (damaged === undefined) throw new Error('nothing was found')
    expect(log.quarantine(damaged)).toBe(true)
    expect(log.quarantine(damaged)).toBe(false)
    expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 2 })
    expect(read(log, 2)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(read(log, 3)).toMatchObject({ ok: false, message: expect.stringContaining('2 to 3') })
    expect(read(log, 4)).toMatchObject({ ok: true, nextOffset: 8 })
    expect(append(log, keyed([{ key: 'k', value: 'v' }]))).toMatchObject({ ok: true })
  })

  test('is forgotten with its records', () => {
    const { disk, log } = filled()
    disk.contentOf(FIRST).fill(0xff, 70, 71)
    for (const range of scrub(disk, log).damaged) log.quarantine(range)
    log.deleteRecords(1, () => {})
    expect(log.quarantined.length).toBe(1)
    log.deleteRecords(2, () => {})
    expect(log.quarantined).toEqual([])
  })

  test('is not taken from a segment that is another by now', () => {
    const { disk, log } = filled({ ...CONFIG, cleanupPolicy: ['compact'] })
    disk.contentOf(FIRST).fill(0xff, 70, 71)
    const [damaged] = scrub(disk, log).damaged
    if (damaged === undefined) throw new Error('nothing was found')
    log.deleteRecords(8, () => {})
    expect(log.quarantine(damaged)).toBe(false)
  })
})
