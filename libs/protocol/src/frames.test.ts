import { DecodeError, InvariantViolation } from '@fairlead/base'
import { describe, expect, test } from 'vitest'
import {
  APIS,
  type ApiName,
  type ResponseBody,
  apiByKey,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from './index.ts'
import { REQUEST_ELEMENTS_MAX } from './frames.ts'

const fromHex = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const joined = (chunks: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(chunks))

describe('the table of APIs', () => {
  test('names keys and versions of Kafka 4', () => {
    const rows = Object.values(APIS).map(
      ({ name, key, minVersion, maxVersion, firstFlexibleVersion }) =>
        `${key} ${name} ${minVersion}-${maxVersion} ${firstFlexibleVersion}+`,
    )
    expect(rows).toEqual([
      '0 Produce 0-13 9+',
      '1 Fetch 4-18 12+',
      '2 ListOffsets 1-11 6+',
      '3 Metadata 0-13 9+',
      '8 OffsetCommit 2-10 8+',
      '9 OffsetFetch 1-10 6+',
      '10 FindCoordinator 0-6 3+',
      '11 JoinGroup 0-9 6+',
      '12 Heartbeat 0-4 4+',
      '13 LeaveGroup 0-5 4+',
      '14 SyncGroup 0-5 4+',
      '15 DescribeGroups 0-6 5+',
      '16 ListGroups 0-5 3+',
      '18 ApiVersions 0-5 3+',
      '19 CreateTopics 2-7 5+',
      '20 DeleteTopics 1-6 4+',
      '21 DeleteRecords 0-2 2+',
      '22 InitProducerId 0-5 2+',
      '23 OffsetForLeaderEpoch 2-4 4+',
      '29 DescribeAcls 1-3 2+',
      '30 CreateAcls 1-3 2+',
      '31 DeleteAcls 1-3 2+',
      '32 DescribeConfigs 1-4 4+',
      '33 AlterConfigs 0-2 2+',
      '34 AlterReplicaLogDirs 1-2 2+',
      '35 DescribeLogDirs 1-5 2+',
      '37 CreatePartitions 0-3 2+',
      '42 DeleteGroups 0-3 2+',
      '43 ElectLeaders 0-2 2+',
      '44 IncrementalAlterConfigs 0-1 1+',
      '45 AlterPartitionReassignments 0-1 0+',
      '46 ListPartitionReassignments 0-0 0+',
      '47 OffsetDelete 0-0 1+',
      '48 DescribeClientQuotas 0-1 1+',
      '49 AlterClientQuotas 0-1 1+',
      '50 DescribeUserScramCredentials 0-0 0+',
      '55 DescribeQuorum 0-2 0+',
      '57 UpdateFeatures 0-2 0+',
      '60 DescribeCluster 0-2 0+',
      '61 DescribeProducers 0-0 0+',
      '65 DescribeTransactions 0-0 0+',
      '66 ListTransactions 0-2 0+',
      '74 ListConfigResources 0-1 0+',
      '75 DescribeTopicPartitions 0-0 0+',
    ])
  })

  test('advertises Produce from version 0 and reads it from version 3 (KAFKA-18659)', () => {
    expect(APIS.Produce).toMatchObject({ minVersion: 0, firstVersion: 3 })
    expect(() => decodeRequest('Produce', 2, fromHex('0001 00000000 00000000'), 0)).toThrow(
      DecodeError,
    )
  })

  test('is found by key', () => {
    expect(apiByKey(18)?.name).toBe('ApiVersions')
    expect(apiByKey(4)).toBeUndefined()
  })
})

describe('the request header', () => {
  test('keeps the int16 length of the client id in flexible versions', () => {
    const header = decodeRequestHeader(fromHex('0003 000c 00000007 0002 6331 00 ffff'))
    expect(header).toEqual({
      apiKey: 3,
      apiVersion: 12,
      correlationId: 7,
      clientId: 'c1',
      bodyPosition: 13,
    })
  })

  test('may have a null client id, and tagged fields that nobody knows', () => {
    const header = decodeRequestHeader(fromHex('0003 000c ffffffff ffff 01 05 02 abcd'))
    expect(header).toMatchObject({ correlationId: -1, clientId: null, bodyPosition: 15 })
  })

  test('of an unknown API is read up to its client id', () => {
    const header = decodeRequestHeader(fromHex('7fff 0001 00000007 0000'))
    expect(header).toMatchObject({ apiKey: 0x7fff, bodyPosition: 10 })
  })

  test('of an ApiVersions to come is read, so that it can be answered in version 0', () => {
    const header = decodeRequestHeader(fromHex('0012 0063 00000007 0000 00 ffffffff'))
    expect(header).toMatchObject({ apiKey: 18, apiVersion: 99, correlationId: 7 })
  })

  test.for([
    { what: 'cut short', hex: '0003 000c 0000' },
    { what: 'of a client id of -2 bytes', hex: '0003 0001 00000007 fffe' },
    { what: 'of a client id that passes the end', hex: '0003 0001 00000007 0005 61' },
    { what: 'of tags that pass the end', hex: '0003 000c 00000007 ffff 01 00 7f' },
  ])('$what is an error', ({ hex }) => {
    expect(() => decodeRequestHeader(fromHex(hex))).toThrow(DecodeError)
  })
})

describe('the response header', () => {
  const sizesOf = (name: ApiName, version: number, body: unknown): number => {
    const chunks = encodeResponse(name, version, 1, body as ResponseBody<ApiName>)
    const bytes = joined(chunks)
    expect(new DataView(bytes.buffer).getInt32(0)).toBe(bytes.length - 4)
    return bytes.length
  }

  test('has tagged fields from the first flexible version on', () => {
    const body = { errorCode: 'NONE', throttleTimeMs: 0 }
    expect(sizesOf('Heartbeat', 3, body)).toBe(4 + 4 + 4 + 2)
    expect(sizesOf('Heartbeat', 4, body)).toBe(4 + 4 + 1 + 4 + 2 + 1)
  })

  test('of ApiVersions has none in any version (KIP-511)', () => {
    expect(sizesOf('ApiVersions', 5, { errorCode: 'NONE', apiKeys: [] })).toBe(
      4 + 4 + 2 + 1 + 4 + 1,
    )
  })
})

test('a feature that begins at version 0 is shown from ApiVersions 4 on (KAFKA-17011)', () => {
  const supportedFeatures = [
    { name: 'group.version', minVersion: 0, maxVersion: 1 },
    { name: 'metadata.version', minVersion: 1, maxVersion: 27 },
  ]
  const seenIn = (version: number): readonly string[] => {
    const body = { errorCode: 'NONE', apiKeys: [], supportedFeatures } as const
    const frame = joined(encodeResponse('ApiVersions', version, 1, body)).subarray(4)
    return decodeResponse('ApiVersions', version, frame).body.supportedFeatures.map(
      ({ name }) => name,
    )
  }
  expect(seenIn(2)).toEqual([])
  expect(seenIn(3)).toEqual(['metadata.version'])
  expect(seenIn(4)).toEqual(['group.version', 'metadata.version'])
})

test('bytes behind a request are ignored, behind a response they are an error', () => {
  const request = encodeRequest({
    name: 'Heartbeat',
    version: 4,
    correlationId: 1,
    clientId: null,
    body: { groupId: 'g', generationId: 1, memberId: 'm' },
  })
  const frame = joined([...request, Uint8Array.of(1, 2, 3)]).subarray(4)
  const { bodyPosition } = decodeRequestHeader(frame)
  expect(decodeRequest('Heartbeat', 4, frame, bodyPosition)).toMatchObject({ groupId: 'g' })

  const response = encodeResponse('Heartbeat', 4, 1, { errorCode: 'NONE' })
  const longer = joined([...response, Uint8Array.of(1)]).subarray(4)
  expect(() => decodeResponse('Heartbeat', 4, longer)).toThrow(DecodeError)
})

test('an error code that a newer broker has is an error of the server', () => {
  const frame = fromHex('00000001 7f00')
  expect(decodeResponse('Heartbeat', 0, frame).body.errorCode).toBe('UNKNOWN_SERVER_ERROR')
})

test('records go to the socket by reference', () => {
  const records = [new Uint8Array(2000), new Uint8Array(3000)]
  const partitions = [{ partitionIndex: 0, errorCode: 'NONE', highWatermark: 5, records }] as const
  const chunks = encodeResponse('Fetch', 13, 1, {
    responses: [{ partitions: [{ ...partitions[0], abortedTransactions: null }] }],
  })
  expect(chunks.filter((chunk) => chunk.length >= 2000)).toEqual(records)
  expect(chunks).toContain(records[0])
  const { body } = decodeResponse('Fetch', 13, joined(chunks).subarray(4))
  expect(body.responses[0]?.partitions[0]?.records).toHaveLength(5000)
})

test('a version that is not described cannot be written', () => {
  expect(() => encodeResponse('Heartbeat', 5, 1, { errorCode: 'NONE' })).toThrow(InvariantViolation)
})

test('a request of more elements than any client needs is refused before they are read', () => {
  const frameOf = (count: number): Uint8Array =>
    Buffer.concat(
      encodeRequest({
        name: 'DescribeTransactions',
        version: 0,
        correlationId: 1,
        clientId: null,
        body: { transactionalIds: Array.from({ length: count }, () => '') },
      }),
    ).subarray(4)
  const decode = (frame: Uint8Array) =>
    decodeRequest('DescribeTransactions', 0, frame, decodeRequestHeader(frame).bodyPosition)
  const most = decode(frameOf(REQUEST_ELEMENTS_MAX))
  expect(most.transactionalIds).toHaveLength(REQUEST_ELEMENTS_MAX)
  expect(() => decode(frameOf(REQUEST_ELEMENTS_MAX + 1))).toThrow(DecodeError)
})
