import {
  type ConnectDatum,
  type ConnectSchema,
  type ConnectValue,
  OPTIONAL_INT64,
  optional,
  required,
  struct,
} from './connect/connect-schema.ts'
import { convertPart, isFault } from './connect/converter.ts'
import type { EventPosition } from './event-position.ts'
import { HeaderWriter, POSITION_HEADER_COUNT } from './outbox-headers.ts'
import { type Converters, structured } from './outbox-options.ts'
import { registryEncoding } from './outbox-router.ts'
import { RecordBodyWriter } from './record-body.ts'
import { type EventIdentity, RoutedEvent, type UnroutableEvent, extrasOf } from './routed-event.ts'
import type { TransactionEvents } from './transaction-events.ts'

export type TransactionMarkersOptions = {
  readonly topic: string
  readonly converters: Converters
  /** Written to each record, see {@link SOURCE_HEADER}. */
  readonly source: string
}

/** Begin or end of a transaction, at its place in the order of all events. */
export type TransactionBoundary = {
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly events: TransactionEvents
}

const STRING = required('string')

const KEY_SCHEMA: ConnectSchema = {
  ...struct('io.debezium.connector.common.TransactionMetadataKey', [
    { name: 'id', schema: STRING },
  ]),
  version: 1,
}

const COUNT_SCHEMA: ConnectSchema = {
  ...struct('event.collection', [
    { name: 'data_collection', schema: STRING },
    { name: 'event_count', schema: required('int64') },
  ]),
  isOptional: true,
  version: 1,
}

const VALUE_SCHEMA: ConnectSchema = {
  ...struct('io.debezium.connector.common.TransactionMetadataValue', [
    { name: 'status', schema: STRING },
    { name: 'id', schema: STRING },
    { name: 'event_count', schema: OPTIONAL_INT64 },
    { name: 'data_collections', schema: optional({ ...required('array'), items: COUNT_SCHEMA }) },
    { name: 'ts_ms', schema: required('int64') },
  ]),
  version: 1,
}

/**
 * Records that say where a transaction begins and ends: Debezium's, field by field, with the headers by which
 * the relay finds again what it has published. They have positions of their own, before and behind all events
 * of the transaction.
 */
export class TransactionMarkers {
  readonly #options: TransactionMarkersOptions
  readonly #converters: Converters
  readonly #headers: HeaderWriter
  readonly #body = new RecordBodyWriter()

  constructor(options: TransactionMarkersOptions) {
    this.#options = options
    this.#converters = structured(options.converters)
    this.#headers = new HeaderWriter(options)
  }

  begin(boundary: TransactionBoundary): RoutedEvent | UnroutableEvent {
    return this.#marker(boundary, 'BEGIN', null, null)
  }

  /** Once all events of the transaction are counted. */
  end(boundary: TransactionBoundary): RoutedEvent | UnroutableEvent {
    const { count, countByDataCollection } = boundary.events
    const counts = [...countByDataCollection].map(([name, events]) => [name, BigInt(events)])
    return this.#marker(boundary, 'END', BigInt(count), counts)
  }

  #marker(
    { position, commitTimestampMs, events }: TransactionBoundary,
    status: 'BEGIN' | 'END',
    eventCount: bigint | null,
    counts: ConnectValue,
  ): RoutedEvent | UnroutableEvent {
    const { topic } = this.#options
    const { transactionId } = events
    const identity: EventIdentity = {
      position,
      commitTimestampMs,
      eventId: null,
      aggregateType: topic,
      aggregateId: transactionId,
      type: status,
      headersText: null,
    }
    const keyDatum: ConnectDatum = { schema: KEY_SCHEMA, value: [transactionId] }
    const fields = [status, transactionId, eventCount, counts, BigInt(commitTimestampMs)]
    const key = convertPart(this.#converters.key, keyDatum)
    if (isFault(key)) return unroutable(identity, 'INVALID_KEY', key.fault)
    const value = convertPart(this.#converters.value, { schema: VALUE_SCHEMA, value: fields })
    if (isFault(value)) return unroutable(identity, 'INVALID_VALUE', value.fault)
    const { commitLsn, commitIndex } = position
    const commit = this.#headers.stampOf(commitLsn, commitTimestampMs)
    const body = this.#body
    body.begin()
    body.bytes(key.bytes)
    body.bytes(value.bytes)
    body.headerCount(POSITION_HEADER_COUNT)
    this.#headers.writePosition(body, commitIndex)
    const encoding = registryEncoding(key, value)
    return new RoutedEvent({
      ...identity,
      topic,
      commit,
      commitIndex,
      body: body.end(),
      timestampMs: commitTimestampMs,
      extras: extrasOf({ partition: undefined, partitionKey: undefined, encoding }),
    })
  }
}

function unroutable(
  identity: EventIdentity,
  code: UnroutableEvent['code'],
  reason: string,
): UnroutableEvent {
  return { ...identity, kind: 'unroutable', code, reason, value: null }
}
