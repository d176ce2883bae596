import { describe, expect, test } from 'vitest'
import {
  CONFIG,
  altered,
  batches,
  compact,
  keyed,
  logOf,
  records,
  set,
  shown,
} from '../testing/compaction-fixture.ts'
import { NOW_MS, append, open } from '../testing/log-fixture.ts'
import { SimulatedDisk } from '@fairlead/simulation'

const DAY_MS = 86_400_000

describe('a tombstone', () => {
  const config = { ...CONFIG, deleteRetentionMs: DAY_MS }

  test('removes what was before it at once, and goes a day after that', () => {
    const { disk, log } = logOf(
      [
        ['a', '0'],
        ['a', null],
        ['b', '2'],
      ],
      config,
    )
    compact(disk, log)
    expect(shown(log)).toEqual(['a=null@1', 'b=2@2'])
    expect(batches(log)[0]).toMatchObject({
      hasDeleteHorizon: true,
      baseTimestampMs: NOW_MS + DAY_MS,
      maxTimestampMs: NOW_MS,
    })
    expect(records(log)[0]?.timestampMs).toBe(NOW_MS)

    append(log, keyed(set('b', '3')))
    append(log, keyed(set('b', '4')))
    compact(disk, log, { nowMs: NOW_MS + DAY_MS - 1 })
    expect(shown(log)).toEqual(['a=null@1', 'b=3@3', 'b=4@4'])
    append(log, keyed(set('b', '5')))
    append(log, keyed(set('b', '6')))
    compact(disk, log, { nowMs: NOW_MS + DAY_MS })
    expect(shown(log)).toEqual(['b=5@5', 'b=6@6'])
  })

  test('that the map does not cover yet does not begin its time', () => {
    const { disk, log } = logOf(
      [
        ['a', '0'],
        ['b', '1'],
        ['c', null],
        ['d', '3'],
        ['e', '4'],
      ],
      config,
    )
    compact(disk, log, { mapBytes: 24 * 3, mapLoadFactor: 0.7 })
    expect(batches(log).map(({ hasDeleteHorizon }) => hasDeleteHorizon)).not.toContain(true)
  })

  test('that the map does not cover, in a batch that it covers in part, does not begin its time', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...config, segmentBytes: 1 } })
    append(log, keyed(set('a', '0')))
    const straddling = ['b', 'c', 'a'].map((key) => ({ key, value: key === 'a' ? null : 'value' }))
    append(log, keyed(straddling))
    append(log, keyed(set('d', '4')))
    const room = { mapBytes: 24 * 3, mapLoadFactor: 0.7 }
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 2 } })
    // A day on, this one removes what was before the tombstone: its day begins.
    const later = { ...room, nowMs: NOW_MS + DAY_MS }
    expect(compact(disk, log, later)).toMatchObject({ ok: true, value: { firstDirtyOffset: 4 } })
    expect(shown(log)).toEqual(['b=value@1', 'c=value@2', 'a=null@3', 'd=4@4'])
    const horizonMs = NOW_MS + 2 * DAY_MS
    expect(batches(log)[0]).toMatchObject({ hasDeleteHorizon: true, baseTimestampMs: horizonMs })
  })

  test('whose time is over stays while what was before it does', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...config, segmentBytes: 1 } })
    append(log, keyed(set('a', '0')))
    // As it comes from another cluster that has compacted it: its time is in the batch, and over.
    const copied = keyed([
      { key: 'b', value: '1' },
      { key: 'c', value: '2' },
      { key: 'a', value: null },
    ])
    append(log, altered(copied, { hasDeleteHorizon: true }))
    append(log, keyed(set('d', '4')))
    const room = { mapBytes: 24 * 3, mapLoadFactor: 0.7 }
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 2 } })
    expect(shown(log)).toEqual(['a=0@0', 'b=1@1', 'c=2@2', 'a=null@3', 'd=4@4'])
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 4 } })
    expect(shown(log)).toEqual(['b=1@1', 'c=2@2', 'd=4@4'])
  })
})
