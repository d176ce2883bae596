import { describe, expect, test } from 'vitest'
import {
  type ApiName,
  type RequestBody,
  batchCrc,
  crc32c,
  decodeRecords,
  decodeRequest,
  decodeRequestHeader,
  encodeBatch,
  encodeRequest,
  encodeResponse,
  readBatchHeader,
} from './index.ts'

/**
 * Bytes that other implementations wrote: kafkajs 2.2.4 (versions before flexible ones) and
 * @platformatic/kafka 2.12.1 (flexible ones). They know nothing of our tables.
 */

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const toHex = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('hex')

type Golden = {
  readonly [Name in ApiName]: {
    readonly name: Name
    readonly version: number
    readonly body: RequestBody<Name>
    readonly hex: string
  }
}[ApiName]

const KAFKAJS_REQUESTS: readonly Golden[] = [
  {
    name: 'Metadata',
    version: 6,
    body: { topics: [{ name: 'orders' }], allowAutoTopicCreation: false },
    hex: '000000190003000600000007000263310000000100066f726465727300',
  },
  {
    name: 'OffsetCommit',
    version: 5,
    body: {
      groupId: 'g',
      generationIdOrMemberEpoch: 3,
      memberId: 'm',
      topics: [
        {
          name: 'orders',
          partitions: [{ partitionIndex: 1, committedOffset: 2 ** 32 + 1, committedMetadata: 'ü' }],
        },
      ],
    },
    hex:
      '000000360008000500000007000263310001670000000300016d0000000100066f726465727300000001' +
      '0000000100000001000000010002c3bc',
  },
  {
    name: 'JoinGroup',
    version: 5,
    body: {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Uint8Array.of(1, 2) }],
    },
    hex:
      '00000036000b00050000000700026331000167000075300000ea600000ffff0008636f6e73756d6572' +
      '00000001000572616e6765000000020102',
  },
  {
    name: 'Fetch',
    version: 11,
    body: {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1_048_576,
      isolationLevel: 1,
      topics: [
        {
          topic: 'orders',
          partitions: [{ partition: 0, fetchOffset: 42, partitionMaxBytes: 1024 }],
        },
      ],
      rackId: 'r',
    },
    hex:
      '000000580001000b0000000700026331ffffffff000001f400000001001000000100000000ffffffff00' +
      '00000100066f72646572730000000100000000ffffffff000000000000002affffffffffffffff000004' +
      '0000000000000172',
  },
  {
    name: 'CreateTopics',
    version: 3,
    body: {
      topics: [
        {
          name: 'orders',
          numPartitions: 3,
          replicationFactor: 1,
          assignments: [],
          configs: [{ name: 'a', value: 'b' }],
        },
      ],
      timeoutMs: 5_000,
    },
    hex:
      '000000310013000300000007000263310000000100066f726465727300000003000100000000000000010001' +
      '610001620000138800',
  },
]

const PLATFORMATIC_BODIES: readonly Golden[] = [
  {
    name: 'Metadata',
    version: 12,
    body: { topics: [{ name: 'orders' }] },
    hex: '0200000000000000000000000000000000076f726465727300010000',
  },
  {
    name: 'JoinGroup',
    version: 9,
    body: {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Uint8Array.of(1, 2) }],
      reason: 'why',
    },
    hex: '0267000075300000ea60010009636f6e73756d6572020672616e6765030102000477687900',
  },
  {
    name: 'Fetch',
    version: 17,
    body: {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1_048_576,
      isolationLevel: 1,
      topics: [
        {
          topicId: 'ASNFZ4mrze8BI0VniavN7w',
          partitions: [{ partition: 0, fetchOffset: 42, partitionMaxBytes: 1024 }],
        },
      ],
      rackId: 'r',
    },
    hex:
      '000001f400000001001000000100000000ffffffff020123456789abcdef0123456789abcdef020000000' +
      '0ffffffff000000000000002affffffffffffffffffffffff00000400000001027200',
  },
  {
    name: 'InitProducerId',
    version: 5,
    body: { transactionalId: null, transactionTimeoutMs: 60_000 },
    hex: '000000ea60ffffffffffffffffffff00',
  },
  {
    name: 'FindCoordinator',
    version: 6,
    body: { coordinatorKeys: ['g1', 'g2'] },
    hex: '000303673103673200',
  },
]

describe('requests', () => {
  test.for(KAFKAJS_REQUESTS)('$name $version is what kafkajs writes', (golden) => {
    expect(toHex(encodeRequest({ ...golden, correlationId: 7, clientId: 'c1' }))).toBe(golden.hex)
  })

  test.for(KAFKAJS_REQUESTS)(
    '$name $version of kafkajs is read',
    ({ name, version, body, hex }) => {
      const frame = fromHex(hex).subarray(4)
      const header = decodeRequestHeader(frame)
      expect(header).toMatchObject({ apiVersion: version, correlationId: 7, clientId: 'c1' })
      expect(decodeRequest(name, version, frame, header.bodyPosition)).toMatchObject(body)
    },
  )

  test.for(PLATFORMATIC_BODIES)('$name $version is what @platformatic/kafka writes', (golden) => {
    const written = toHex(encodeRequest({ ...golden, correlationId: 7, clientId: null }))
    const sizeAndHeaderDigits = 2 * (4 + 2 + 2 + 4 + 2 + 1)
    expect(written.slice(sizeAndHeaderDigits)).toBe(golden.hex)
  })

  test.for(PLATFORMATIC_BODIES)('$name $version of @platformatic/kafka is read', (golden) => {
    const { name, version, body, hex } = golden
    expect(decodeRequest(name, version, fromHex(hex), 0)).toMatchObject(body)
  })
})

describe('responses', () => {
  test('ApiVersions 0 holds an error code and the keys, and nothing else', () => {
    const apiKeys = [{ apiKey: 18, minVersion: 0, maxVersion: 5 }]
    const chunks = encodeResponse('ApiVersions', 0, 1, {
      errorCode: 'UNSUPPORTED_VERSION',
      apiKeys,
      throttleTimeMs: 5,
    })
    expect(toHex(chunks)).toBe('0000001000000001002300000001001200000005')
  })
})

/** kafkajs: leader epoch 4, producer 77, epoch 3, base sequence 9; a null key, a null value. */
const KAFKAJS_BATCH = fromHex(
  '0000000000000000000000960000000402b2b077490000000000020000018bcfe568000000018bcfe568050000' +
    '00000000004d000300000009000000030e0000000102610016000a02026b0102026802769e0100050404c3bc' +
    '8c01' +
    '78'.repeat(70) +
    '00',
)

/** @platformatic/kafka: producer 5, epoch 1, base sequence 2; one header. */
const PLATFORMATIC_BATCH = fromHex(
  '0000000000000000000000460000000002d95f3c640000000000010000018bcfe568000000018bcfe5680100000' +
    '000000000050001000000000000000218000000026b027602026802310e00020201027700',
)

const TIME_MS = 1_700_000_000_000
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('record batches', () => {
  test('of kafkajs are read', () => {
    const header = readBatchHeader(KAFKAJS_BATCH, 0)
    expect(header).toMatchObject({
      sizeBytes: KAFKAJS_BATCH.length,
      partitionLeaderEpoch: 4,
      compression: 'none',
      timestampType: 'CreateTime',
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 9,
      recordCount: 3,
      lastOffsetDelta: 2,
    })
    expect(batchCrc(KAFKAJS_BATCH, 0, header, crc32c)).toBe(header.crc)
    expect(decodeRecords(KAFKAJS_BATCH, 0, header)).toEqual([
      { offset: 0, timestampMs: TIME_MS, key: null, value: utf8('a'), headers: [] },
      {
        offset: 1,
        timestampMs: TIME_MS + 5,
        key: utf8('k'),
        value: null,
        headers: [{ key: 'h', value: utf8('v') }],
      },
      {
        offset: 2,
        timestampMs: TIME_MS - 3,
        key: utf8('ü'),
        value: utf8('x'.repeat(70)),
        headers: [],
      },
    ])
  })

  test.for([
    { client: 'kafkajs', batch: KAFKAJS_BATCH },
    { client: '@platformatic/kafka', batch: PLATFORMATIC_BATCH },
  ])('of $client are written byte by byte', ({ batch }) => {
    const header = readBatchHeader(batch, 0)
    expect(batchCrc(batch, 0, header, crc32c)).toBe(header.crc)
    const { partitionLeaderEpoch, producerId, producerEpoch, baseSequence } = header
    const written = encodeBatch(
      {
        records: decodeRecords(batch, 0, header),
        partitionLeaderEpoch,
        producerId,
        producerEpoch,
        baseSequence,
      },
      crc32c,
    )
    expect(toHex([written])).toBe(toHex([batch]))
  })
})
