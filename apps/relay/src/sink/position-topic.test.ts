import { formatLsn, lsn } from '@fairlead/base'
import type { Admin, IncomingRecord, Reader } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { PositionTopic } from './position-topic.ts'

const SOURCE = '1/slot'
const TOPIC = 'relay.slot.positions'
const TEXT = new TextEncoder()

/** The topic of positions on brokers in memory; absent without records. */
function topicOf(records: readonly { readonly key: string; readonly value: string | null }[]) {
  const log = records.map(
    ({ key, value }, offset): IncomingRecord => ({
      topic: TOPIC,
      partition: 0,
      offset,
      timestampMs: 0,
      key: TEXT.encode(key),
      value: value === null ? null : TEXT.encode(value),
      headers: [],
    }),
  )
  const facts = { highWatermark: log.length, logStartOffset: 0, leaderEpoch: 0 }
  const admin = {
    ensureTopic: () => Promise.resolve({ created: log.length === 0, partitions: 1 }),
    listOffsets: ({ timestamp }) => Promise.resolve(timestamp === 'earliest' ? 0 : log.length),
  } as Pick<Admin, 'ensureTopic' | 'listOffsets'> as Admin
  const reader: Reader = {
    fetch: ({ fromOffset }) =>
      Promise.resolve({ records: log.slice(fromOffset), nextOffset: log.length, ...facts }),
    close: () => Promise.resolve(),
  }
  return new PositionTopic({ topic: TOPIC, source: SOURCE }).read({ admin, reader }, 1)
}

const position = (value: number, seq = 0) =>
  JSON.stringify({ lsn: formatLsn(lsn(BigInt(value))), seq })

test('the last position of the source is read, behind those of other slots', async () => {
  const others = Array.from({ length: 200 }, (_, n) => ({ key: '1/other', value: position(n) }))
  const ours = { key: SOURCE, value: position(7, 3) }
  expect(await topicOf([{ key: SOURCE, value: position(5) }, ours, ...others])).toEqual({
    commitLsn: lsn(7n),
    commitIndex: 3,
  })
})

test.for([
  ['a topic that was deleted', []],
  ['a topic of other slots alone', [{ key: '1/other', value: position(9) }]],
  [
    'a position that was deleted',
    [
      { key: SOURCE, value: position(9) },
      { key: SOURCE, value: null },
    ],
  ],
  ['what is no JSON', [{ key: SOURCE, value: '\u0000' }]],
  ['what is no position', [{ key: SOURCE, value: '{"lsn":"x/y","seq":0}' }]],
] as const)('F31: from %s nothing is read: the topics of events tell', async ([, records]) => {
  expect(await topicOf(records)).toBeUndefined()
})
