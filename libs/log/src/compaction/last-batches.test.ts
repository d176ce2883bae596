import { describe, expect, test } from 'vitest'
import { CONFIG, batches, compact, keyed, set, shown } from '../testing/compaction-fixture.ts'
import { NOW_MS, append, lookUp, open, settled } from '../testing/log-fixture.ts'
import { SimulatedDisk } from '@fairlead/simulation'

describe('the last batch of a producer', () => {
  const produced = (key: string, sequence: number) =>
    keyed(set(key, String(sequence)), {
      producerId: 7,
      producerEpoch: 1,
      baseSequence: sequence,
    })

  test('stays without its records, and still tells a retry', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, segmentBytes: 1 } })
    for (let sequence = 0; sequence < 3; sequence += 1) append(log, produced('a', sequence))
    append(log, keyed(set('a', 'x')))
    append(log, keyed(set('a', 'y')))
    compact(disk, log)
    expect(shown(log)).toEqual(['a=x@3', 'a=y@4'])
    expect(batches(log)[0]).toMatchObject({
      baseOffset: 2,
      producerId: 7,
      producerEpoch: 1,
      baseSequence: 2,
      recordCount: 0,
      lastOffsetDelta: 0,
    })
    // Without snapshots the state comes from the batches alone.
    for (const path of disk.paths().filter((name) => name.endsWith('.snap'))) {
      disk.removeFile(path, () => {})
    }
    const reopened = open(disk, { config: CONFIG })
    expect(append(reopened, produced('a', 2))).toMatchObject({ duplicate: true, baseOffset: 2 })
    expect(append(reopened, produced('a', 4))).toMatchObject({
      ok: false,
      errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    })
    expect(append(reopened, produced('a', 3))).toMatchObject({ ok: true, duplicate: false })
  })

  test('without its records does not hide the greatest timestamp of those that are left', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, segmentBytes: 1 } })
    const producer = { producerId: 7, producerEpoch: 1, baseSequence: 0 }
    append(log, keyed([{ key: 'a', value: '0', timestampMs: NOW_MS + 5 }], producer))
    for (const key of ['b', 'a', 'c']) append(log, keyed(set(key, 'value')))
    compact(disk, log)
    expect(batches(log)[0]).toMatchObject({ recordCount: 0, producerId: 7 })
    const greatest = lookUp((done) => log.offsetOfMaxTimestamp(done))
    expect(greatest).toMatchObject({ ok: true, found: { offset: 1, timestampMs: NOW_MS } })
  })

  test('goes once the producer is forgotten', () => {
    const disk = new SimulatedDisk()
    const config = { ...CONFIG, segmentBytes: 1, producerIdExpirationMs: 1000 }
    const log = open(disk, { config })
    append(log, produced('a', 0))
    append(log, keyed(set('a', 'x')))
    append(log, keyed(set('a', 'y')))
    settled<void>((done) => log.enforceRetention(NOW_MS + 1000, done))
    compact(disk, log)
    expect(batches(log).map(({ baseOffset }) => baseOffset)).toEqual([1, 2])
  })
})
