import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
  type VersionedSchema,
  ZERO_UUID,
  decodeMetadataRecord,
  decodeVersioned,
  encodeMetadataRecord,
  encodeVersioned,
} from '../index.ts'
import { structArbitrary } from '../testing/struct-arbitrary.ts'

const fromHex = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const compact = (hex: string): string => hex.replaceAll(' ', '')

const SCHEMAS: Readonly<Record<string, VersionedSchema>> = {
  OffsetCommitKey: OFFSET_COMMIT_KEY,
  OffsetCommitValue: OFFSET_COMMIT_VALUE,
  GroupMetadataKey: GROUP_METADATA_KEY,
  GroupMetadataValue: GROUP_METADATA_VALUE,
}

const CASES = Object.entries(SCHEMAS).flatMap(([name, schema]) => {
  const [first, last] = schema.versions
  const count = last - first + 1
  return Array.from({ length: count }, (_, index) => ({ name, schema, version: first + index }))
})

test.for(CASES)('$name $version is read as it was written', ({ schema, version }) => {
  fc.assert(
    fc.property(structArbitrary(schema.fields, version), (value) => {
      const bytes = encodeVersioned(schema, version, value as never)
      expect(decodeVersioned(schema, bytes)).toEqual({ version, value })
    }),
    { numRuns: 30 },
  )
})

test.for(CASES)('$name $version that is cut short is an error', ({ schema, version }) => {
  const [value] = fc.sample(structArbitrary(schema.fields, version), { numRuns: 1, seed: 5 })
  const bytes = encodeVersioned(schema, version, value as never)
  for (let length = 0; length < Math.min(bytes.length, 400); length += 1) {
    expect(() => decodeVersioned(schema, bytes.subarray(0, length))).toThrow(DecodeError)
  }
})

test('a version that nobody described is an error', () => {
  expect(() => decodeVersioned(GROUP_METADATA_KEY, fromHex('0001 0001 67'))).toThrow(DecodeError)
})

describe('the bytes of __consumer_offsets', () => {
  test('begin with the version, which tells an offset from a group', () => {
    const offsetKey = encodeVersioned(OFFSET_COMMIT_KEY, 1, {
      group: 'g',
      topic: 't',
      partition: 2,
    })
    expect(toHex(offsetKey)).toBe(compact('0001 0001 67 0001 74 00000002'))
    const groupKey = encodeVersioned(GROUP_METADATA_KEY, 2, { group: 'g' })
    expect(toHex(groupKey)).toBe(compact('0002 0001 67'))
  })

  test('hold an offset in version 3 as Kafka does', () => {
    const value = { offset: 42, leaderEpoch: 7, metadata: 'm', commitTimestamp: 1 }
    expect(toHex(encodeVersioned(OFFSET_COMMIT_VALUE, 3, value))).toBe(
      compact('0003 000000000000002a 00000007 0001 6d 0000000000000001'),
    )
  })
})

describe('metadata records', () => {
  const TOPIC_ID = 'ASNFZ4mrze8BI0VniavN7w'
  const TOPIC_ID_HEX = '0123456789abcdef0123456789abcdef'

  test('stand in the frame of KRaft: frame version, type, version', () => {
    const bytes = encodeMetadataRecord('TopicRecord', { name: 'orders', topicId: TOPIC_ID })
    expect(toHex(bytes)).toBe(compact(`01 02 00 07 6f7264657273 ${TOPIC_ID_HEX} 00`))
    expect(decodeMetadataRecord(bytes)).toEqual({
      type: 'TopicRecord',
      value: { name: 'orders', topicId: TOPIC_ID },
    })
  })

  test('of a partition are read in the version with eligible leaders (KIP-966) as well', () => {
    const ints = '02 00000001'
    const tags = '02 01 05 02 00000001 02 01 01'
    const bytes = fromHex(
      `01 03 02 00000005 ${TOPIC_ID_HEX} ${ints} ${ints} 01 01
       00000001 00000003 00000004 01 ${tags}`.replaceAll('\n', ''),
    )
    expect(decodeMetadataRecord(bytes)).toMatchObject({
      type: 'PartitionRecord',
      value: {
        partitionId: 5,
        replicas: [1],
        leader: 1,
        leaderEpoch: 3,
        partitionEpoch: 4,
        eligibleLeaderReplicas: [1],
        lastKnownElr: [],
      },
    })
  })

  test('of every type are read as they were written', () => {
    const records = [
      ['RemoveTopicRecord', { topicId: TOPIC_ID }],
      ['ConfigRecord', { resourceType: 2, resourceName: 't', name: 'a', value: null }],
      [
        'ClientQuotaRecord',
        {
          entity: [
            { entityType: 'user', entityName: null },
            { entityType: 'client-id', entityName: 'app' },
          ],
          key: 'producer_byte_rate',
          value: 0.5,
          remove: false,
        },
      ],
      ['ProducerIdsRecord', { brokerId: 1, brokerEpoch: -1, nextProducerId: 1000 }],
    ] as const
    for (const [type, value] of records) {
      const bytes = encodeMetadataRecord(type, value as never)
      expect(decodeMetadataRecord(bytes)).toEqual({ type, value })
    }
  })

  test('of a type that is not described are passed over', () => {
    expect(decodeMetadataRecord(fromHex('01 63 00 ffff'))).toBeUndefined()
  })

  test.for([
    { what: 'another frame version', hex: `02 09 00 ${'00'.repeat(16)} 00` },
    { what: 'a version that is not described', hex: `01 09 01 ${'00'.repeat(16)} 00` },
    { what: 'a record that is cut short', hex: '01 09 00 0000' },
    { what: 'an empty record', hex: '' },
  ])('$what is an error', ({ hex }) => {
    expect(() => decodeMetadataRecord(fromHex(hex))).toThrow(DecodeError)
  })

  test('have the zero UUID where none is meant', () => {
    const bytes = encodeMetadataRecord('RemoveTopicRecord', { topicId: ZERO_UUID })
    expect(toHex(bytes)).toBe(compact(`01 09 00 ${'00'.repeat(16)} 00`))
  })
})
