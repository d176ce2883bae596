import { Writer } from '@platformatic/kafka'
import type { Exchange } from './broker-connection.ts'
import { ByteReader } from './byte-reader.ts'
import type { TopicPartition } from './records.ts'

const PRODUCE_KEY = 0
const ACKS_ALL = -1

export type ProducePartition = TopicPartition & { readonly batch: Buffer }

export type ProduceAnswer = TopicPartition & {
  readonly errorCode: number
  readonly errorMessage: string | null
  /** -1 when the batch was not appended, or is a duplicate that the broker cannot place. */
  readonly baseOffset: number
  /** The records that made the broker refuse the batch, by index in it (KIP-467). */
  readonly recordErrors: readonly { readonly batchIndex: number; readonly message: string | null }[]
}

/**
 * Produce (key 0), versions 3 to 11, without a transaction, acks=all, one batch per partition.
 *
 * v3   record batches (magic 2)
 * v5   log start offset
 * v8   record errors and message (KIP-467)
 * v9   flexible
 * v10  current leader as tagged field (not read: the next refresh brings it)
 */
export function produceExchange(
  partitions: readonly ProducePartition[],
  timeoutMs: number,
): Exchange<readonly ProduceAnswer[]> {
  return {
    key: PRODUCE_KEY,
    minVersion: 3,
    maxVersion: 11,
    firstFlexibleVersion: 9,
    encode: (version) => encodeProduce(version, partitions, timeoutMs),
    decode: (version, body) => decodeProduce(version, body),
  }
}

function encodeProduce(
  version: number,
  partitions: readonly ProducePartition[],
  timeoutMs: number,
): Writer {
  const isFlexible = version >= 9
  const writer = Writer.create()
    .appendString(null, isFlexible)
    .appendInt16(ACKS_ALL)
    .appendInt32(timeoutMs)
    .appendArray(
      [...Map.groupBy(partitions, ({ topic }) => topic)],
      (topics, [topic, ofTopic]) => {
        topics.appendString(topic, isFlexible).appendArray(
          ofTopic,
          (writer, { partition, batch }) => {
            writer.appendInt32(partition).appendBytes(batch, isFlexible)
          },
          isFlexible,
          isFlexible,
        )
      },
      isFlexible,
      isFlexible,
    )
  if (isFlexible) writer.appendTaggedFields()
  return writer
}

function decodeProduce(version: number, body: Uint8Array): readonly ProduceAnswer[] {
  const isFlexible = version >= 9
  const reader = new ByteReader(body)
  return reader
    .array(isFlexible, () => {
      const topic = reader.nullableString(isFlexible) ?? ''
      const partitions = reader.array(isFlexible, () => decodePartition(version, topic, reader))
      if (isFlexible) reader.skipTaggedFields()
      return partitions
    })
    .flat()
}

function decodePartition(version: number, topic: string, reader: ByteReader): ProduceAnswer {
  const isFlexible = version >= 9
  const partition = reader.int32()
  const errorCode = reader.int16()
  const baseOffset = reader.int64()
  reader.int64()
  if (version >= 5) reader.int64()
  const recordErrors = version < 8 ? [] : reader.array(isFlexible, () => decodeRecordError())
  const errorMessage = version < 8 ? null : reader.nullableString(isFlexible)
  if (isFlexible) reader.skipTaggedFields()
  return { topic, partition, errorCode, errorMessage, baseOffset, recordErrors }

  function decodeRecordError() {
    const batchIndex = reader.int32()
    const message = reader.nullableString(isFlexible)
    if (isFlexible) reader.skipTaggedFields()
    return { batchIndex, message }
  }
}
