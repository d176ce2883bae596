import { Writer } from '@platformatic/kafka'
import type { Exchange } from './broker-connection.ts'
import { ByteReader } from './byte-reader.ts'

const READ_UNCOMMITTED = 0
const FETCH_KEY = 1

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
 * Fetch (key 1), versions 5 to 12, of one partition and outside fetch sessions (KIP-227).
 *
 * v5   log start offset
 * v7   error code and session id of the whole response
 * v9   current leader epoch (not sent: -1)
 * v11  rack (not sent), preferred read replica (not followed)
 * v12  flexible; last fetched epoch (not sent: -1)
 *
 * Versions from 13 name topics by id; by name, a topic that is deleted and created again goes on
 * under the same name, with OFFSET_OUT_OF_RANGE as the only sign.
 */
export function fetchExchange(call: FetchCall): Exchange<FetchAnswer> {
  return {
    key: FETCH_KEY,
    minVersion: 5,
    maxVersion: 12,
    firstFlexibleVersion: 12,
    encode: (version) => encodeFetch(version, call),
    decode: (version, body) => decodeFetch(version, body),
  }
}

function encodeFetch(version: number, call: FetchCall): Writer {
  const isFlexible = version >= 12
  const writer = Writer.create()
    .appendInt32(-1)
    .appendInt32(call.maxWaitMs)
    .appendInt32(1)
    .appendInt32(call.maxBytes)
    .appendInt8(READ_UNCOMMITTED)
  if (version >= 7) writer.appendInt32(0).appendInt32(-1)
  writer.appendArray(
    [call],
    (topics) => {
      topics.appendString(call.topic, isFlexible).appendArray(
        [call],
        (partitions) => {
          partitions.appendInt32(call.partition)
          if (version >= 9) partitions.appendInt32(-1)
          partitions.appendInt64(BigInt(call.fetchOffset))
          if (version >= 12) partitions.appendInt32(-1)
          partitions.appendInt64(-1n).appendInt32(call.maxBytes)
        },
        isFlexible,
        isFlexible,
      )
    },
    isFlexible,
    isFlexible,
  )
  if (version >= 7) writer.appendArray([], () => undefined, isFlexible, isFlexible)
  if (version >= 11) writer.appendString('', isFlexible)
  if (isFlexible) writer.appendTaggedFields()
  return writer
}

function decodeFetch(version: number, body: Uint8Array): FetchAnswer {
  const isFlexible = version >= 12
  const reader = new ByteReader(body)
  reader.int32()
  const errorCode = version >= 7 ? reader.int16() : 0
  if (version >= 7) reader.int32()
  const answers = reader
    .array(isFlexible, () => {
      reader.nullableString(isFlexible)
      const partitions = reader.array(isFlexible, () => decodePartition(version, reader))
      if (isFlexible) reader.skipTaggedFields()
      return partitions
    })
    .flat()
  const failed = { errorCode, highWatermark: -1, logStartOffset: -1, batches: new Uint8Array() }
  return errorCode === 0 ? (answers[0] ?? failed) : failed
}

function decodePartition(version: number, reader: ByteReader): FetchAnswer {
  const isFlexible = version >= 12
  reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  reader.int64()
  const logStartOffset = reader.int64()
  reader.array(isFlexible, () => {
    reader.view(16)
    if (isFlexible) reader.skipTaggedFields()
  })
  if (version >= 11) reader.int32()
  const batches = reader.nullableBytes(isFlexible) ?? new Uint8Array()
  if (isFlexible) reader.skipTaggedFields()
  return { errorCode, highWatermark, logStartOffset, batches }
}
