import { DecodeError } from '@fairlead/base'
import { Writer } from '@platformatic/kafka'
import type { Exchange } from './broker-connection.ts'
import { ByteReader } from './byte-reader.ts'

const FETCH_KEY = 1
const CONSUMER_REPLICA_ID = -1
/** A response comes with the first record. */
const MIN_BYTES = 1
const READ_UNCOMMITTED = 0
const NO_SESSION = { id: 0, epoch: -1 } as const
const NO_EPOCH = -1
const FOLLOWERS_LOG_START = -1n
/** Producer id and first offset. */
const ABORTED_TRANSACTION_BYTES = 16

export type FetchCall = {
  readonly topic: string
  readonly partition: number
  readonly fetchOffset: number
  readonly maxWaitMs: number
  readonly maxBytes: number
}

export type FetchAnswer = {
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly batches: Uint8Array
}

/**
 * Fetch (key 1), version 12, of one partition and outside fetch sessions (KIP-227).
 *
 * Leader epoch and last fetched epoch are not sent (-1), a preferred read replica is not followed.
 * Versions from 13 name topics by id; by name, a topic that is deleted and created again goes on
 * under the same name, with OFFSET_OUT_OF_RANGE as the only sign.
 */
export function fetchExchange(call: FetchCall): Exchange<FetchAnswer> {
  return {
    key: FETCH_KEY,
    minVersion: 12,
    maxVersion: 12,
    encode: () => encodeFetch(call),
    decode: decodeFetch,
  }
}

function encodeFetch(call: FetchCall): Writer {
  return Writer.create()
    .appendInt32(CONSUMER_REPLICA_ID)
    .appendInt32(call.maxWaitMs)
    .appendInt32(MIN_BYTES)
    .appendInt32(call.maxBytes)
    .appendInt8(READ_UNCOMMITTED)
    .appendInt32(NO_SESSION.id)
    .appendInt32(NO_SESSION.epoch)
    .appendArray([call.topic], (topics, topic) => {
      topics.appendString(topic).appendArray([call], (partitions, { partition, fetchOffset }) => {
        partitions
          .appendInt32(partition)
          .appendInt32(NO_EPOCH)
          .appendInt64(BigInt(fetchOffset))
          .appendInt32(NO_EPOCH)
          .appendInt64(FOLLOWERS_LOG_START)
          .appendInt32(call.maxBytes)
      })
    })
    .appendArray([], () => undefined)
    .appendString('')
    .appendTaggedFields()
}

function decodeFetch(body: Uint8Array): FetchAnswer {
  const reader = new ByteReader(body)
  reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const answers = reader
    .array(() => {
      reader.nullableString()
      const partitions = reader.array(() => decodePartition(reader))
      reader.skipTaggedFields()
      return partitions
    })
    .flat()
  const failed = { errorCode, highWatermark: -1, logStartOffset: -1, batches: new Uint8Array() }
  const answer = errorCode === 0 ? answers[0] : failed
  if (answer === undefined)
    throw new DecodeError('the response names no partition', reader.position)
  return answer
}

function decodePartition(reader: ByteReader): FetchAnswer {
  reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  reader.int64()
  const logStartOffset = reader.int64()
  reader.array(() => {
    reader.view(ABORTED_TRANSACTION_BYTES)
    reader.skipTaggedFields()
  })
  reader.int32()
  const batches = reader.nullableBytes() ?? new Uint8Array()
  reader.skipTaggedFields()
  return { errorCode, highWatermark, logStartOffset, batches }
}
