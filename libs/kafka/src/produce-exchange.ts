import { Writer } from './platformatic.ts'
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
 * Produce (key 0), versions 9 to 11, acks=all, one batch per partition. Version 12 would add partitions to
 * the transaction by itself (KIP-890, part two).
 *
 * v10  current leader as tagged field (not read: the next refresh brings it)
 * v11  TRANSACTION_ABORTABLE (not for us)
 */
export function produceExchange(
  partitions: readonly ProducePartition[],
  options: { readonly timeoutMs: number; readonly transactionalId: string | null },
): Exchange<readonly ProduceAnswer[]> {
  return {
    key: PRODUCE_KEY,
    minVersion: 9,
    maxVersion: 11,
    encode: () => encodeProduce(partitions, options),
    decode: decodeProduce,
  }
}

function encodeProduce(
  partitions: readonly ProducePartition[],
  { timeoutMs, transactionalId }: Parameters<typeof produceExchange>[1],
): Writer {
  const byTopic = [...Map.groupBy(partitions, ({ topic }) => topic)]
  return Writer.create()
    .appendString(transactionalId)
    .appendInt16(ACKS_ALL)
    .appendInt32(timeoutMs)
    .appendArray(byTopic, (topics, [topic, ofTopic]) => {
      topics.appendString(topic).appendArray(ofTopic, (writer, { partition, batch }) => {
        writer.appendInt32(partition).appendBytes(batch)
      })
    })
    .appendTaggedFields()
}

function decodeProduce(body: Uint8Array): readonly ProduceAnswer[] {
  const reader = new ByteReader(body)
  return reader
    .array(() => {
      const topic = reader.nullableString() ?? ''
      const partitions = reader.array(() => decodePartition(topic, reader))
      reader.skipTaggedFields()
      return partitions
    })
    .flat()
}

function decodePartition(topic: string, reader: ByteReader): ProduceAnswer {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const baseOffset = reader.int64()
  reader.int64()
  reader.int64()
  const recordErrors = reader.array(() => {
    const batchIndex = reader.int32()
    const message = reader.nullableString()
    reader.skipTaggedFields()
    return { batchIndex, message }
  })
  const errorMessage = reader.nullableString()
  reader.skipTaggedFields()
  return { topic, partition, errorCode, errorMessage, baseOffset, recordErrors }
}
