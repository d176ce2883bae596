import { DecodeError } from '@fairlead/base'
import { crc32c } from '@fairlead/protocol'
import { expect, test } from 'vitest'
import {
  INDEX_SLOT_BYTES,
  decodeIndex,
  decodeIndexHead,
  encodeIndexHead,
  encodeInterval,
} from './index-file.ts'
import { SegmentIndex } from './segment-index.ts'
import { concat } from './testing/log-fixture.ts'

const INTERVALS = [
  { nextOffset: 103, endPosition: 4100, crc: 0xdeadbeef, maxTimestampMs: 1_700_000_000_000 },
  { nextOffset: 110, endPosition: 9000, crc: 1, maxTimestampMs: 1_700_000_000_000 },
  { nextOffset: 250, endPosition: 0xffff_ffff, crc: 0, maxTimestampMs: 1_700_000_000_500 },
]

function stored(): Uint8Array {
  const head = encodeIndexHead({ baseOffset: 100, createdMs: 1_700_000_000_001 }, crc32c)
  const slots = INTERVALS.map((interval, number) =>
    encodeInterval(interval, INTERVALS[number - 1]?.endPosition ?? 0, crc32c),
  )
  return concat(head, ...slots)
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('the format is this, byte by byte', () => {
  expect(hex(stored().subarray(0, 2 * INDEX_SLOT_BYTES))).toBe(
    '464c4958' +
      '00000002' +
      '4059000000000000' +
      '4278bcfe56801000' +
      '00000000' +
      '7d62b3a0' +
      '4059c00000000000' +
      '4278bcfe56800000' +
      '00001004' +
      'deadbeef' +
      '00000000' +
      'a53356f6',
  )
})

test('an index is read back as it was written', () => {
  const index = decodeIndex(stored(), 100, crc32c)
  expect(index).toMatchObject({ createdMs: 1_700_000_000_001, isWhole: true, claim: INTERVALS[2] })
  expect(INTERVALS.map((_, number) => index.index.at(number))).toEqual(INTERVALS)
})

test('the index of another segment, and one of another version, are not taken', () => {
  expect(() => decodeIndex(stored(), 101, crc32c)).toThrow(DecodeError)
  const other = stored()
  other[7] = 3
  new DataView(other.buffer).setUint32(28, crc32c(other.subarray(0, 28)))
  expect(() => decodeIndexHead(other, 100, crc32c)).toThrow('version')
})

test('a damaged interval ends what is known, and does not take back what later ones claim', () => {
  const damaged = stored()
  damaged[2 * INDEX_SLOT_BYTES + 3] = 1
  const index = decodeIndex(damaged, 100, crc32c)
  expect([index.index.count, index.isWhole]).toEqual([1, false])
  expect(index.claim).toEqual(INTERVALS[2])
})

test('an older form of an interval ends what is known, and does not take back what later ones claim', () => {
  const older = { nextOffset: 102, endPosition: 50, crc: 2, maxTimestampMs: -1 }
  const mixed = stored()
  mixed.set(encodeInterval(older, 0, crc32c), INDEX_SLOT_BYTES)
  const index = decodeIndex(mixed, 100, crc32c)
  expect([index.index.count, index.isWhole]).toEqual([1, false])
  expect(index.index.at(0)).toEqual(older)
  expect(index.claim).toEqual(INTERVALS[2])
})

test('an interval in the place of another is not taken', () => {
  const [head, first, second] = [0, 1, 2].map((slot) =>
    stored().subarray(slot * INDEX_SLOT_BYTES, (slot + 1) * INDEX_SLOT_BYTES),
  )
  const swapped = concat(...[head, second, first].filter((slot) => slot !== undefined))
  expect(decodeIndex(swapped, 100, crc32c)).toMatchObject({ claim: undefined, isWhole: false })
})

test('an index that is cut inside an interval keeps the ones before', () => {
  for (let cut = 1; cut < INDEX_SLOT_BYTES; cut += 1) {
    const index = decodeIndex(stored().subarray(0, 3 * INDEX_SLOT_BYTES + cut), 100, crc32c)
    expect([index.index.count, index.isWhole]).toEqual([2, false])
  }
})

test('lookups begin at the interval that holds what is looked for', () => {
  const { index } = decodeIndex(stored(), 100, crc32c)
  const starts = [100, 102, 103, 249, 250].map((offset) => index.startFor(offset).position)
  expect(starts).toEqual([0, 0, 4100, 9000, 0xffff_ffff])
  const times = [0, 0, 1, 500, 501].map((ms, at) =>
    index.startForTimestamp(at === 0 ? 0 : 1_700_000_000_000 + ms),
  )
  expect(times.map(({ offset }) => offset)).toEqual([100, 100, 110, 110, 250])
})

test('an interval closes at its size, the last one grows on after it was read back', () => {
  const index = new SegmentIndex(0)
  const add = (nextOffset: number) =>
    index.addBatch({ nextOffset, sizeBytes: 40, crc: nextOffset, maxTimestampMs: -1 }, 100)
  for (const nextOffset of [1, 2, 3, 4]) add(nextOffset)
  expect(index.end).toMatchObject({ count: 1, open: { nextOffset: 4, endPosition: 160 } })
  const again = new SegmentIndex(0)
  again.add(index.at(0))
  again.add(index.last ?? index.at(0))
  again.reopen(100)
  for (const one of [index, again]) {
    one.addBatch({ nextOffset: 5, sizeBytes: 60, crc: 5, maxTimestampMs: 7 }, 100)
  }
  expect([index.end.count, again.at(1)]).toEqual([2, index.at(1)])
})
