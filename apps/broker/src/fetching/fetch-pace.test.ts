import { describe, expect, test } from 'vitest'
import { FetchPace } from './fetch-pace.ts'
import type { AnsweredTarget, FetchTarget, PartitionAnswer } from './fetch-target.ts'

const MIB = 1_048_576

/** Answers that are cut, and the time until the client asks again. */
function askAfter(pace: FetchPace, delaysMs: readonly number[]): number {
  let nowMs = 0
  for (const delayMs of delaysMs) {
    pace.sent(nowMs)
    nowMs += delayMs
    pace.asked(nowMs)
  }
  return pace.answerBytes(1)
}

function targetOf(partition: number): FetchTarget {
  const request = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: MIB,
    replicaDirectoryId: '',
    highWatermark: -1,
  }
  return { topic: 'orders', topicId: '', request }
}

function answered(partition: number, sizeBytes: number): AnsweredTarget {
  const answer: PartitionAnswer = {
    partitionIndex: partition,
    errorCode: 'NONE',
    highWatermark: 9,
    abortedTransactions: null,
    records: sizeBytes === 0 ? [] : [new Uint8Array(sizeBytes)],
  }
  return { target: targetOf(partition), topicName: 'orders', answer }
}

describe('an answer', () => {
  test.for([
    { what: 'at first', delaysMs: [], bytes: MIB },
    { what: 'to a client that asks again at once', delaysMs: [0, 9, 9, 0, 9], bytes: MIB },
    { what: 'to one that was slow three times', delaysMs: [10, 50, 10], bytes: MIB },
    { what: 'to one that is far away', delaysMs: [10, 50, 10, 10], bytes: 2 * MIB },
    { what: 'to one that stays far away', delaysMs: Array(8).fill(100), bytes: 4 * MIB },
    { what: 'to one that was near once', delaysMs: [10, 10, 9, 10, 10], bytes: MIB },
    { what: 'to one that came near', delaysMs: [...Array(8).fill(100), 1], bytes: MIB },
    { what: 'to one that is away for ever', delaysMs: Array(99).fill(100), bytes: 128 * MIB },
  ])('$what holds $bytes bytes', ({ delaysMs, bytes }) => {
    expect(askAfter(new FetchPace(), delaysMs)).toBe(bytes)
  })

  test('that told all there was says nothing of the way to the client', () => {
    const pace = new FetchPace()
    for (let nowMs = 0; nowMs < 1_000; nowMs += 100) pace.asked(nowMs)
    expect(pace.answerBytes(1)).toBe(MIB)
  })

  test('of many partitions holds some of each', () => {
    expect(new FetchPace().answerBytes(1_000)).toBe(1_000 * 32_768)
  })
})

describe('turns', () => {
  const targets = [0, 1, 2].map(targetOf)

  test('begin behind the partition that gave records last', () => {
    const pace = new FetchPace()
    expect(pace.turn(targets)).toBe(0)
    pace.served([answered(0, 10), answered(1, 10), answered(2, 0)])
    expect(pace.turn(targets)).toBe(2)
    pace.served([answered(2, 10), answered(0, 0), answered(1, 0)])
    expect(pace.turn(targets)).toBe(3)
  })

  test('stay where they are when nothing was given', () => {
    const pace = new FetchPace()
    pace.served([answered(0, 10)])
    pace.served([answered(1, 0)])
    expect(pace.turn(targets)).toBe(1)
  })

  test('begin anew when that partition is not asked for any more', () => {
    const pace = new FetchPace()
    pace.served([answered(7, 10)])
    expect(pace.turn(targets)).toBe(0)
  })
})
