import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { TopicPartition } from '../records.ts'
import { readByTopic, writeByTopic } from './by-topic.ts'
import type { Exchange } from './exchange.ts'

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
    encode: (writer) => encodeProduce(writer, partitions, options),
    decode: decodeProduce,
  }
}

function encodeProduce(
  writer: ByteWriter,
  partitions: readonly ProducePartition[],
  { timeoutMs, transactionalId }: Parameters<typeof produceExchange>[1],
): void {
  writer.reserve(partitions.reduce((sum, { batch }) => sum + batch.length, 0))
  writer.nullableString(transactionalId).int16(ACKS_ALL).int32(timeoutMs)
  writeByTopic(writer, partitions, ({ partition, batch }) =>
    writer.int32(partition).nullableBytes(batch).tags(),
  )
  writer.tags()
}

function decodeProduce(reader: ByteReader): readonly ProduceAnswer[] {
  return readByTopic(reader, (topic) => decodePartition(topic, reader))
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
  return { topic, partition, errorCode, errorMessage, baseOffset, recordErrors }
}
