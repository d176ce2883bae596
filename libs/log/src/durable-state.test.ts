import { DecodeError } from '@fairlead/base'
import { crc32c } from '@fairlead/protocol'
import { expect, test } from 'vitest'
import { type DurableState, decodeDurableState, encodeDurableState } from './durable-state.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { ProducerStates } from './producer-state.ts'

const NOW_MS = 1_700_000_000_000

function someState(): DurableState {
  const batches = [{ baseSequence: 4, lastSequence: 5, baseOffset: 10, lastOffset: 11 }]
  return {
    offset: 12,
    segmentBaseOffset: 10,
    positionBytes: 345,
    leaderEpochs: new LeaderEpochs([
      { epoch: 0, startOffset: 0 },
      { epoch: 3, startOffset: 7 },
    ]),
    producers: new ProducerStates([[77, { producerEpoch: 2, batches, lastSeenMs: NOW_MS }]]),
  }
}

/** What logs on disks have: it may only change with its version. */
const GOLDEN = [
  '464c505300000003c0f9c0c6',
  '402800000000000040240000000000000000015900000002',
  '00000000000000000000000000000003401c000000000000',
  '0000000140534000000000004278bcfe568000000002010000000400000005402400000000000040',
  '26000000000000',
].join('')

const hexadecimal = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

test('a durable state is written in the bytes that it has always had', () => {
  expect(hexadecimal(encodeDurableState(someState(), crc32c))).toBe(GOLDEN)
})

test('and read from them', () => {
  const bytes = Uint8Array.from(GOLDEN.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
  const { offset, segmentBaseOffset, positionBytes, leaderEpochs, producers } = decodeDurableState(
    bytes,
    { nowMs: NOW_MS, crc32c },
  )
  expect({ offset, segmentBaseOffset, positionBytes }).toEqual({
    offset: 12,
    segmentBaseOffset: 10,
    positionBytes: 345,
  })
  expect(leaderEpochs.startedBelow(12)).toEqual(someState().leaderEpochs.startedBelow(12))
  expect([...producers.entries()]).toMatchObject([...someState().producers.entries()])
})

test('another version, another magic, and a body that was cut short or changed are refused', () => {
  const bytes = encodeDurableState(someState(), crc32c)
  for (const position of [3, 7, 11, 30]) {
    const other = bytes.slice()
    other[position] = (other[position] ?? 0) + 1
    expect(() => decodeDurableState(other, { nowMs: NOW_MS, crc32c })).toThrow(DecodeError)
  }
  for (const sizeBytes of [0, 11, bytes.length - 1]) {
    const short = bytes.subarray(0, sizeBytes)
    expect(() => decodeDurableState(short, { nowMs: NOW_MS, crc32c })).toThrow(DecodeError)
  }
})
