import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import type { TopicPartition } from './records.ts'

/** Of the subscription and assignment bytes that we write: the eager protocol needs no more. */
const VERSION = 0

/** What a member tells the leader: ConsumerProtocolSubscription, version 0. */
export function encodeSubscription(topics: readonly string[]): Uint8Array {
  const writer = new ByteWriter().int16(VERSION)
  writer.plainArray(topics.toSorted(), (topic) => writer.plainString(topic))
  return writer.plainNullableBytes(null).bytes
}

/**
 * The topics of a subscription, in whichever version: those behind 0 only add to its end.
 *
 * @throws {DecodeError}
 */
export function decodeSubscription(bytes: Uint8Array): readonly string[] {
  const reader = new ByteReader(bytes)
  reader.int16()
  return reader.plainArray(() => reader.plainString())
}

/** What the leader tells a member: ConsumerProtocolAssignment, version 0. */
export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)]
  const writer = new ByteWriter().int16(VERSION)
  writer.plainArray(topics, ([topic, ofTopic]) => {
    writer.plainString(topic)
    writer.plainArray(ofTopic, ({ partition }) => writer.int32(partition))
  })
  return writer.plainNullableBytes(null).bytes
}

/**
 * In whichever version. Some coordinators and leaders send no bytes, or a version alone, to a member
 * without partitions.
 *
 * @throws {DecodeError}
 */
export function decodeAssignment(bytes: Uint8Array): readonly TopicPartition[] {
  const reader = new ByteReader(bytes)
  if (reader.remaining > 0) reader.int16()
  if (reader.remaining === 0) return []
  const topics = reader.plainArray(() => {
    const topic = reader.plainString()
    return reader.plainArray(() => ({ topic, partition: reader.int32() }))
  })
  return topics.flat()
}
