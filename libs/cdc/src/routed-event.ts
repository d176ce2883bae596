import { type Lsn, partitionOfBytes } from '@fairlead/base'
import type { EventPosition } from './event-position.ts'
import { type EventHeader, RecordBody } from './record-body.ts'
import type { TransactionOrder } from './transaction-events.ts'

/** What names an event to people; null where the row has a null or no such column. */
export type EventIdentity = {
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly eventId: string | null
  readonly aggregateType: string | null
  readonly aggregateId: string | null
  readonly type: string | null
  /** The headers column as it is. */
  readonly headersText: string | null
}

/** What all events of a transaction have in common. */
export type CommitStamp = { readonly commitLsn: Lsn; readonly commitTimestampMs: number }

/** What most records have not. */
export type RecordExtras = {
  /** Where the row names its partition; all others follow from the key. */
  readonly partition?: number
  /** Gives the partition of a record without a key. */
  readonly partitionKey?: Uint8Array
  /** What the schema registry has to do before the record is whole. */
  readonly encoding?: RegistryEncoding
}

/**
 * Key and value lack what only a registry knows. The subject of an Avro schema is `<topic>-key` or
 * `<topic>-value`.
 */
export type RegistryEncoding = {
  /** The key is Avro, and the id of this schema goes before it. */
  readonly keySchema?: string
  readonly valueSchema?: string
  /** The value is JSON, to be encoded by the latest schema of this subject. */
  readonly documentSubject?: string
}

/** A record to publish, part by part. */
export type RoutedParts = EventIdentity &
  RecordExtras & {
    readonly topic: string
    /** Null where the configuration allows it. */
    readonly key: Uint8Array | null
    readonly value: Uint8Array | null
    readonly headers: readonly EventHeader[]
    readonly timestampMs: number
  }

/** Of a routed event, the text that stands in its record: as the key, or as the value of the first header. */
export const IN_RECORD: unique symbol = Symbol('in record')

const NO_KEY = new Uint8Array()

/**
 * A record to publish. It owns its bytes: nothing in it is a view of the message. There are thousands of them
 * in memory: what a transaction has in common they share, and the rest is cut out of the record when it is
 * asked for.
 */
export class RoutedEvent implements EventIdentity {
  readonly topic: string
  readonly commit: CommitStamp
  readonly commitIndex: number
  readonly aggregateType: string | null
  readonly type: string | null
  readonly headersText: string | null
  /** Key, value and headers as a record batch has them. */
  readonly body: RecordBody
  readonly #eventId: string | null | typeof IN_RECORD
  readonly #aggregateId: string | null | typeof IN_RECORD
  /** The timestamp counts from the commit: a small number, which needs no object of its own. */
  readonly #sinceCommitMs: number
  readonly #extras: RecordExtras | undefined

  constructor(
    event: Pick<RoutedEvent, 'topic' | 'aggregateType' | 'type' | 'headersText' | 'body'> & {
      readonly commit: CommitStamp
      readonly commitIndex: number
      readonly eventId: string | null | typeof IN_RECORD
      readonly aggregateId: string | null | typeof IN_RECORD
      readonly timestampMs: number
      readonly extras: RecordExtras | undefined
    },
  ) {
    this.topic = event.topic
    this.commit = event.commit
    this.commitIndex = event.commitIndex
    this.aggregateType = event.aggregateType
    this.type = event.type
    this.headersText = event.headersText
    this.body = event.body
    this.#eventId = event.eventId
    this.#aggregateId = event.aggregateId
    this.#sinceCommitMs = event.timestampMs - event.commit.commitTimestampMs
    this.#extras = event.extras
  }

  static of(parts: RoutedParts): RoutedEvent {
    const { position, commitTimestampMs, partition, partitionKey, encoding } = parts
    const { commitLsn, commitIndex } = position
    return new RoutedEvent({
      topic: parts.topic,
      commit: { commitLsn, commitTimestampMs },
      commitIndex,
      aggregateType: parts.aggregateType,
      type: parts.type,
      headersText: parts.headersText,
      body: RecordBody.of(parts.key, parts.value, parts.headers),
      eventId: parts.eventId,
      aggregateId: parts.aggregateId,
      timestampMs: parts.timestampMs,
      extras: extrasOf({ partition, partitionKey, encoding }),
    })
  }

  /** The same with other parts. */
  with(changes: Partial<RoutedParts>): RoutedEvent {
    return RoutedEvent.of({ ...this.parts(), ...changes })
  }

  /** As an object that can be spread. */
  parts(): RoutedParts {
    return {
      ...identityOf(this),
      ...this.#extras,
      topic: this.topic,
      key: this.key,
      value: this.value,
      headers: this.headers,
      timestampMs: this.timestampMs,
    }
  }

  get kind(): 'routed' {
    return 'routed'
  }

  get position(): EventPosition {
    return { commitLsn: this.commit.commitLsn, commitIndex: this.commitIndex }
  }

  get commitTimestampMs(): number {
    return this.commit.commitTimestampMs
  }

  get timestampMs(): number {
    return this.commit.commitTimestampMs + this.#sinceCommitMs
  }

  get eventId(): string | null {
    return this.#eventId === IN_RECORD ? this.body.firstHeaderText : this.#eventId
  }

  get aggregateId(): string | null {
    return this.#aggregateId === IN_RECORD ? this.body.keyText : this.#aggregateId
  }

  get key(): Uint8Array | null {
    return this.body.key
  }

  get value(): Uint8Array | null {
    return this.body.value
  }

  get headers(): readonly EventHeader[] {
    return this.body.headers
  }

  get partition(): number | undefined {
    return this.#extras?.partition
  }

  get partitionKey(): Uint8Array | undefined {
    return this.#extras?.partitionKey
  }

  get encoding(): RegistryEncoding | undefined {
    return this.#extras?.encoding
  }

  /** The partition that the row names, or that of its key; the topic may have no such partition. */
  partitionOf(partitionCount: number): number {
    if (this.#extras?.partition !== undefined) return this.#extras.partition
    const { bytes, keyStart, keyLength } = this.body
    if (keyLength >= 0) {
      return partitionOfBytes(bytes, keyStart, keyStart + keyLength, partitionCount)
    }
    const key = this.#extras?.partitionKey ?? NO_KEY
    return partitionOfBytes(key, 0, key.length, partitionCount)
  }
}

export type UnroutableEvent = EventIdentity & {
  readonly kind: 'unroutable'
  readonly code: UnroutableCode
  readonly reason: string
  readonly value: Uint8Array | null
  /** The place that it has all the same, where places are counted. */
  readonly order?: TransactionOrder | undefined
  /** What a registry has refused, of an event that nothing names: with its `encoding`, to be tried again. */
  readonly unencoded?: RoutedEvent
}

export type UnroutableCode =
  | 'INVALID_TOPIC'
  /** `route.topic.include.list` does not have it. */
  | 'TOPIC_NOT_ALLOWED'
  | 'INVALID_KEY'
  /** The function of `route.module` threw, or gave a promise. */
  | 'ROUTE_FAILED'
  /** What it gave is no route. */
  | 'INVALID_ROUTE'
  | 'INVALID_HEADERS'
  | 'INVALID_PAYLOAD'
  | 'INVALID_PARTITION'
  /** A value that the type of its column does not have. */
  | 'INVALID_VALUE'
  | 'INVALID_MESSAGE'
  /** The value does not fit the schema of its subject. */
  | 'SCHEMA_MISMATCH'
  /** The registry takes no such schema for the subject. */
  | 'SCHEMA_REFUSED'
  | 'INVALID_TENANT'
  /** Larger than any record may be. */
  | 'ROW_TOO_LARGE'
  /** The table lacked a column that the configuration names when the row was written. */
  | 'MISSING_COLUMN'

/** Of an event that has more. */
export function identityOf(event: EventIdentity): EventIdentity {
  const { position, commitTimestampMs, eventId, aggregateType, aggregateId, type, headersText } =
    event
  return { position, commitTimestampMs, eventId, aggregateType, aggregateId, type, headersText }
}

/** Without what is undefined; undefined when nothing is left. */
export function extrasOf(given: {
  readonly partition: number | undefined
  readonly partitionKey: Uint8Array | undefined
  readonly encoding: RegistryEncoding | undefined
}): RecordExtras | undefined {
  const { partition, partitionKey, encoding } = given
  if (partition === undefined && partitionKey === undefined && encoding === undefined) {
    return undefined
  }
  return {
    ...(partition !== undefined && { partition }),
    ...(partitionKey !== undefined && { partitionKey }),
    ...(encoding !== undefined && { encoding }),
  }
}
