import { type BatchLedger, type Letter, type LogRecord, keyText } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { type TopicOfProjection, isOfTopic } from './letter-owner.ts'
import { inPortions } from './park-letters.ts'

/** The relay publishes what the outbox says to topics with this prefix. */
const MIRROR_TOPIC_PREFIX = 'outbox.event.'

/** A topic that gets a copy of every letter. */
export type LetterMirror = {
  /** Begins with `outbox.event.`. */
  readonly topic: string
  readonly groupIdPrefix: string
}

/** @throws {TypeError} when the relay could not publish to the topic. */
export function mirrorOf(
  topic: string | undefined,
  groupIdPrefix: string,
): LetterMirror | undefined {
  if (topic === undefined) return undefined
  if (topic.startsWith(MIRROR_TOPIC_PREFIX) && topic.length > MIRROR_TOPIC_PREFIX.length) {
    return { topic, groupIdPrefix }
  }
  throw new TypeError(
    `errors.deadletterqueue.topic.name is "${topic}": it must begin with "${MIRROR_TOPIC_PREFIX}", where the relay publishes`,
  )
}

/**
 * Writes a copy of each letter into the outbox, in the transaction that stores the letter, and behind that: whether
 * the topic is there is the relay's concern, and holds nothing up here.
 */
export async function mirrorLetters(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  { letters }: Pick<BatchLedger, 'letters'>,
  mirror: LetterMirror,
): Promise<void> {
  const aggregateType = mirror.topic.slice(MIRROR_TOPIC_PREFIX.length)
  for (const copies of inPortions(letters)) {
    // With its limit, each letter is looked up by itself, also where the planner has not counted them yet.
    await sql`
      insert into outbox.events (aggregatetype, aggregateid, type, payload, headers)
      select ${aggregateType}, copy.key, type, payload, headers || jsonb_build_object(
        'fairlead.dlq.id', letter.id::text,
        'fairlead.dlq.blocked.by', coalesce(nullif(letter.head_id, letter.id)::text, ''))
      from unnest(${copies.map(({ record }) => keyText(record))}::text[],
        ${copies.map(({ eventType }) => storable(eventType ?? 'unknown'))}::text[],
        ${copies.map(({ record }) => bufferOf(record.value))}::bytea[],
        ${copies.map((letter) => JSON.stringify(headersOf(letter, owner, mirror)))}::jsonb[],
        ${copies.map(({ record }) => record.partition)}::int[],
        ${copies.map(({ record }) => record.offset)}::bigint[])
        with ordinality as copy (key, type, payload, headers, part, log_offset, position)
      cross join lateral (
        select id, case kind when 'blocked' then (
          select min(id) from evt.dead_letter
          where ${isOfTopic(owner)} and md5(key) = md5(l.key)) end as head_id
        from evt.dead_letter l
        where ${isOfTopic(owner)} and (part, log_offset) = (copy.part, copy.log_offset)
        limit 1) as letter
      order by position`.execute(trx)
  }
}

const BASE64_PREFIX = 'fairlead.dlq.base64.'

/** Where in a Kafka Connect task it would have failed (KIP-298). */
const CONNECT_STAGES = {
  decode: 'VALUE_CONVERTER',
  handle: 'TRANSFORMATION',
  write: 'TASK_PUT',
} as const

/**
 * The record's own headers, and where and why it failed under the names that tools look for: Kafka
 * Connect's (KIP-298), Kafka Streams' (KIP-1034) and Spring's `DeadLetterPublishingRecoverer`. All are
 * text, and set once, never appended.
 */
function headersOf(
  { record, cause }: Letter,
  { projection }: TopicOfProjection,
  { groupIdPrefix }: LetterMirror,
): Readonly<Record<string, string | null>> {
  const { name, version } = projection
  const failed = cause.kind === 'failed' ? cause : undefined
  const place = {
    topic: record.topic,
    partition: `${record.partition}`,
    offset: `${record.offset}`,
  }
  const error = {
    class: failed?.errorClass ?? 'Blocked',
    message: failed?.errorMessage ?? 'an earlier event of the key failed',
    stack: failed?.errorStack ?? '',
  }
  const headers = {
    ...ownHeaders(record),
    '__connect.errors.topic': place.topic,
    '__connect.errors.partition': place.partition,
    '__connect.errors.offset': place.offset,
    '__connect.errors.connector.name': name,
    '__connect.errors.task.id': place.partition,
    '__connect.errors.stage': failed === undefined ? 'TASK_PUT' : CONNECT_STAGES[failed.stage],
    '__connect.errors.class.name': `${name} v${version}`,
    '__connect.errors.exception.class.name': error.class,
    '__connect.errors.exception.message': error.message,
    '__connect.errors.exception.stacktrace': error.stack,
    '__streams.errors.topic': place.topic,
    '__streams.errors.partition': place.partition,
    '__streams.errors.offset': place.offset,
    '__streams.errors.exception': error.class,
    '__streams.errors.message': error.message,
    '__streams.errors.stacktrace': error.stack,
    'kafka_dlt-original-topic': place.topic,
    'kafka_dlt-original-partition': place.partition,
    'kafka_dlt-original-offset': place.offset,
    'kafka_dlt-original-timestamp': `${record.timestampMs}`,
    // As `TimestampType` of Kafka's clients prints it.
    'kafka_dlt-original-timestamp-type': record.timestampType ?? 'CreateTime',
    'kafka_dlt-original-consumer-group': `${groupIdPrefix}-${name}-v${version}`,
    'kafka_dlt-exception-fqcn': error.class,
    // Where Spring has what the handler threw, and in the one above what it wraps that in.
    'kafka_dlt-exception-cause-fqcn': error.class,
    'kafka_dlt-exception-message': error.message,
    'kafka_dlt-exception-stacktrace': error.stack,
    'fairlead.dlq.kind': cause.kind,
    'fairlead.dlq.fingerprint': failed?.fingerprint ?? '',
    'fairlead.dlq.attempts': `${failed?.attempts ?? 0}`,
    'fairlead.dlq.projection': name,
    'fairlead.dlq.version': `${version}`,
  }
  return Object.fromEntries(
    Object.entries(headers).map(([header, text]) => [
      storable(header),
      text === null ? null : storable(text),
    ]),
  )
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The headers that the record came with. Those of a row in the outbox are text: bytes that are none are
 * in Base64, under another name.
 */
function ownHeaders(record: LogRecord): Readonly<Record<string, string | null>> {
  const entries = record.headers.map(([name, value]) => {
    if (value === null) return [name, null]
    try {
      const text = strictText.decode(value)
      if (!text.includes('\0')) return [name, text]
    } catch {
      // No UTF-8: below.
    }
    return [`${BASE64_PREFIX}${name}`, Buffer.from(value).toString('base64')]
  })
  return Object.fromEntries(entries) as Readonly<Record<string, string | null>>
}

/** Postgres has no text with NUL in it. */
function storable(text: string): string {
  return text.replaceAll('\0', '')
}

/** An array of bytea is one of buffers to the driver. */
function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
