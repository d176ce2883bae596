import {
  BATCH_HEADER_BYTES,
  type CompressionType,
  crc32c,
  decodeRecords,
  encodeBatch,
  readBatchHeader,
  recompressBatch,
  splitBatches,
} from '@fairlead/protocol'
import { boundedDecompress, compress } from '@fairlead/runtime'
import { describe, expect, test } from 'vitest'
import { sharedBroker } from '../testing/shared-broker.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const HOUR_MS = 3_600_000
const decompress = boundedDecompress(64 * 1024 * 1024)

const shared = sharedBroker()

let topics = 0

function createTopic(configs: Readonly<Record<string, string>> = {}): Promise<string> {
  topics += 1
  return shared.createTopic(`topic-${topics}`, { configs })
}

type Written = { readonly key?: string | null; readonly value?: string; readonly ageMs?: number }

function batch(records: readonly Written[], compression: CompressionType = 'none'): Uint8Array {
  const nowMs = Date.now()
  const plain = encodeBatch(
    {
      records: records.map(({ key = 'key', value = 'value', ageMs = 0 }) => ({
        key: key === null ? null : new TextEncoder().encode(key),
        value: new TextEncoder().encode(value),
        timestampMs: nowMs - ageMs,
      })),
    },
    crc32c,
  )
  if (compression === 'none') return plain
  const header = readBatchHeader(plain, 0)
  const { maxTimestampMs } = header
  const records_ = plain.subarray(BATCH_HEADER_BYTES)
  return recompressBatch(header, records_, { compression, maxTimestampMs, compress, crc32c })
}

async function produce(topicId: string, records: Uint8Array) {
  const { responses } = await shared.client.call('Produce', {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index: 0, records }] }],
  })
  return responses[0]?.partitionResponses[0]
}

async function stored(topicId: string) {
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 2 ** 30 }
  const { responses } = await shared.client.call('Fetch', {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topicId, partitions: [partition] }],
    forgottenTopicsData: [],
  })
  const bytes = responses[0]?.partitions[0]?.records ?? new Uint8Array()
  return splitBatches(bytes).map((header) => ({
    header,
    values: decodeRecords(bytes, header.position, header, decompress).map(({ value }) =>
      new TextDecoder().decode(value ?? undefined),
    ),
  }))
}

describe('compression.type', () => {
  test.for(
    CODECS.flatMap((from) =>
      ['producer', 'uncompressed', ...CODECS.slice(1)].map((to) => ({ from, to })),
    ),
  )('of $to stores what comes as $from', async ({ from, to }) => {
    const topicId = await createTopic({ 'compression.type': to })
    const values = ['one', 'two', 'three']
    const answer = await produce(
      topicId,
      batch(
        values.map((value) => ({ value })),
        from,
      ),
    )
    expect(answer).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
    const [first] = await stored(topicId)
    const expected = to === 'producer' ? from : to === 'uncompressed' ? 'none' : to
    expect(first?.header.compression).toBe(expected)
    expect(first?.values).toEqual(values)
  })

  test('writes large batches anew on a thread, and keeps the order of a partition', async () => {
    const topicId = await createTopic({ 'compression.type': 'zstd' })
    const large = (value: string) => batch([{ value: value.repeat(300_000) }], 'gzip')
    const small = (value: string) => batch([{ value }], 'none')
    const sent = [large('a'), small('b'), small('c'), large('d'), small('e')]
    const answers = await Promise.all(sent.map((records) => produce(topicId, records)))
    expect(answers.map((answer) => answer?.baseOffset)).toEqual([0, 1, 2, 3, 4])
    const values = (await stored(topicId)).flatMap((each) => each.values)
    expect(values.map((value) => value[0])).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(values[0]).toHaveLength(300_000)
  })

  test.for(CODECS.slice(1))('refuses a bomb of %s', async (codec) => {
    const limits = { 'compression.type': 'uncompressed', 'max.message.bytes': '10000000' }
    const topicId = await createTopic(limits)
    const bomb = batch([{ value: '0'.repeat(20 * 1024 * 1024) }], codec)
    expect(bomb.length).toBeLessThan(2_000_000)
    expect((await produce(topicId, bomb))?.errorCode).toBe('MESSAGE_TOO_LARGE')
    expect((await produce(topicId, batch([{}])))?.errorCode).toBe('NONE')
  })

  test('follows max.decompressed.message.bytes', async () => {
    const topicId = await createTopic({
      'compression.type': 'zstd',
      'max.decompressed.message.bytes': '1000',
    })
    const answer = await produce(topicId, batch([{ value: 'x'.repeat(2_000) }], 'gzip'))
    expect(answer).toMatchObject({ errorCode: 'MESSAGE_TOO_LARGE', logStartOffset: -1 })
  })
})

describe('records', () => {
  test.for(CODECS)('without a key are refused on a compacted topic, as %s', async (codec) => {
    const topicId = await createTopic({ 'cleanup.policy': 'compact' })
    const answer = await produce(topicId, batch([{}, { key: null }, {}, { key: null }], codec))
    expect(answer).toMatchObject({
      errorCode: 'INVALID_RECORD',
      baseOffset: -1,
      logStartOffset: 0,
      recordErrors: [{ batchIndex: 1 }, { batchIndex: 3 }],
    })
    const message = expect.stringMatching(
      /^Compacted topic cannot accept message without key in topic partition .+-0$/,
    )
    expect(answer?.recordErrors[1]?.batchIndexErrorMessage).toEqual(message)
    expect(answer?.errorMessage).toContain(
      "rejected due to 2 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=1, message='Compacted topic",
    )
    expect(await stored(topicId)).toEqual([])
  })

  test.for(CODECS)('beyond message.timestamp.before.max.ms are refused, as %s', async (codec) => {
    const topicId = await createTopic({ 'message.timestamp.before.max.ms': String(HOUR_MS) })
    const answer = await produce(topicId, batch([{}, { ageMs: 2 * HOUR_MS }], codec))
    expect(answer).toMatchObject({
      errorCode: 'INVALID_TIMESTAMP',
      recordErrors: [
        { batchIndex: 1, batchIndexErrorMessage: expect.stringContaining('is out of range') },
      ],
    })
  })

  test('more than an hour ahead are refused by default', async () => {
    const topicId = await createTopic()
    const answer = await produce(topicId, batch([{ ageMs: -2 * HOUR_MS }], 'lz4'))
    expect(answer?.errorCode).toBe('INVALID_TIMESTAMP')
  })

  test('get the time of the append where the topic wants it, whatever their own', async () => {
    const topicId = await createTopic({
      'message.timestamp.type': 'LogAppendTime',
      'compression.type': 'gzip',
    })
    const startMs = Date.now()
    const answer = await produce(topicId, batch([{ ageMs: -9 * HOUR_MS }]))
    expect(answer?.logAppendTimeMs).toBeGreaterThanOrEqual(startMs)
    const [first] = await stored(topicId)
    expect(first?.header).toMatchObject({
      timestampType: 'LogAppendTime',
      maxTimestampMs: answer?.logAppendTimeMs,
    })
  })

  test('come in one batch per partition', async () => {
    const topicId = await createTopic()
    const two = Buffer.concat([batch([{}]), batch([{}])])
    expect(await produce(topicId, two)).toMatchObject({
      errorCode: 'INVALID_RECORD',
      errorMessage: expect.stringContaining('exactly one record batch per partition'),
    })
  })

  test('under zstd need version 7', async () => {
    topics += 1
    const name = `topic-${topics}`
    await shared.client.call('Metadata', { topics: [{ name }], allowAutoTopicCreation: true })
    const send = async (version: number) => {
      const partitionData = [{ index: 0, records: batch([{}], 'zstd') }]
      const body = { acks: -1, timeoutMs: 1_000, topicData: [{ name, partitionData }] }
      const { responses } = await shared.client.call('Produce', body, version)
      return responses[0]?.partitionResponses[0]?.errorCode
    }
    expect(await send(6)).toBe('UNSUPPORTED_COMPRESSION_TYPE')
    expect(await send(7)).toBe('NONE')
  })

  test('have the greatest time that they hold, not the one that the header claims', async () => {
    const topicId = await createTopic()
    const lying = batch([{ ageMs: 5_000 }, { ageMs: 7_000 }])
    const { baseTimestampMs } = readBatchHeader(lying, 0)
    const view = new DataView(lying.buffer)
    view.setBigInt64(35, BigInt(baseTimestampMs - 9_999))
    view.setUint32(17, crc32c(lying.subarray(21)))
    expect((await produce(topicId, lying))?.errorCode).toBe('NONE')
    const [first] = await stored(topicId)
    expect(first?.header.maxTimestampMs).toBe(baseTimestampMs)
    const { crc, position } = first?.header ?? { crc: 0, position: -1 }
    expect([position, crc]).not.toEqual([0, readBatchHeader(lying, 0).crc])
  })
})
