import { OperationalError } from '@fairlead/base'
import type { IncomingRecord, RecordHeader } from '@fairlead/kafka'
import { EXPECTED_OFFSET_HEADER, type LogEntry } from '@fairlead/schemas'

/**
 * Header of our records: the id of the topic that they were written to. Expected offsets mean nothing
 * in a copy that has offsets of its own.
 */
const TOPIC_ID_HEADER = 'fairlead.topic.id'

const utf8 = new TextEncoder()

export type TopicIdentity = {
  readonly topic: string
  /** Undefined where the brokers have no ids of topics (Kafka before 2.8). */
  readonly topicId: string | undefined
}

export function headersOf(
  expectedOffset: number,
  { topicId }: TopicIdentity,
): readonly RecordHeader[] {
  return [
    [EXPECTED_OFFSET_HEADER, utf8.encode(String(expectedOffset))],
    ...(topicId === undefined ? [] : [[TOPIC_ID_HEADER, utf8.encode(topicId)] as const]),
  ]
}

/**
 * A record as the registry reads it.
 *
 * @throws {OperationalError} SCHEMAS_TOPIC_COPIED for a record of another topic at another offset
 *   than it was written for. Nothing tells whether it counted, and a registry that took it for one
 *   that lost would take away what it holds.
 */
export function entryOf(
  {
    offset,
    key,
    value,
    headers,
    timestampMs,
  }: Pick<IncomingRecord, 'offset' | 'key' | 'value' | 'headers' | 'timestampMs'>,
  { topic, topicId }: TopicIdentity,
): LogEntry {
  const header = (name: string): string | undefined => {
    const found = headers.findLast(([each]) => each === name)
    return found && (found[1] === null ? '' : new TextDecoder().decode(found[1]))
  }
  const expectedOffset = expectedOffsetOf(header(EXPECTED_OFFSET_HEADER))
  const origin = header(TOPIC_ID_HEADER)
  const isForeign = origin !== undefined && topicId !== undefined && origin !== topicId
  if (isForeign && expectedOffset !== undefined && expectedOffset !== offset) {
    throw new OperationalError(
      `topic ${topic} (id ${topicId}) is a copy of the topic with id ${origin}, with other offsets: record ${offset} was written as ${expectedOffset}. Start with an empty topic and fill it with "fairlead schema export" and "fairlead schema import", or copy the records without their headers`,
      { code: 'SCHEMAS_TOPIC_COPIED', retryable: false },
    )
  }
  return { offset, key, value, expectedOffset, timestampMs }
}

/** A header that is no offset never equals one: the record counts for nothing. */
function expectedOffsetOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  return /^\d{1,15}$/.test(text) ? Number(text) : -1
}
