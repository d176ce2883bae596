import {
  type EventHeader,
  type EventIdentity,
  type Relation,
  RoutedEvent,
  type RowChange,
  tupleOf,
} from '@fairlead/cdc'

/** A routed event as `relay.parked_event.record` holds it; its value is in `payload`. */
export type StoredRecord = {
  readonly topic: string
  readonly keyBase64: string | null
  /** Of a record whose row names it. */
  readonly partition?: number
  /** Of a record without a key. */
  readonly partitionKeyBase64?: string
  readonly timestampMs: number
  readonly headers: readonly (readonly [name: string, valueBase64: string | null])[]
}

/** A row as it came from the log, so that it can be routed again. */
export type StoredRow = {
  readonly relation: Relation
  /** By column, in Postgres' text form. */
  readonly valuesBase64: readonly (string | null)[]
}

/** Where an event comes from: what is needed to find or to route it once more. */
export type EventOrigin = {
  /** `schema.table` */
  readonly table: string
  /** Of an event that could not be routed, unless it is too large to keep. */
  readonly row: StoredRow | undefined
}

/** Rows above this are found again in their table: they are not kept twice. */
const STORED_ROW_BYTES_MAX = 1_048_576
const ORIGINS = new WeakMap<Relation, EventOrigin>()

/** The origin of a row that can be published: one object for all rows of a relation. */
export function originOf(relation: Relation): EventOrigin {
  const known = ORIGINS.get(relation)
  if (known !== undefined) return known
  const origin = { table: `${relation.schema}.${relation.table}`, row: undefined }
  ORIGINS.set(relation, origin)
  return origin
}

/** The origin of what is no row. */
export function tableOrigin(table: string): EventOrigin {
  return { table, row: undefined }
}

/** The origin of a row that cannot be routed; it owns its bytes. */
export function originWithRow({ change }: RowChange): EventOrigin {
  const { relation } = change
  const origin = originOf(relation)
  if (change.kind !== 'insert') return origin
  const values = relation.columns.map((_, index) => {
    const value = change.row.value(index)
    return value instanceof Uint8Array ? value : null
  })
  const sizeBytes = values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
  if (sizeBytes > STORED_ROW_BYTES_MAX) return origin
  return { ...origin, row: { relation, valuesBase64: values.map(base64) } }
}

export function storedRecord(event: RoutedEvent): StoredRecord {
  return {
    topic: event.topic,
    keyBase64: base64(event.key),
    ...(event.partition !== undefined && { partition: event.partition }),
    ...(event.partitionKey !== undefined && {
      partitionKeyBase64: base64(event.partitionKey) ?? '',
    }),
    timestampMs: event.timestampMs,
    headers: event.headers.map(([name, value]) => [name, base64(value)]),
  }
}

export function routedEvent(
  identity: EventIdentity,
  record: StoredRecord,
  value: Uint8Array | null,
): RoutedEvent {
  return RoutedEvent.of({
    ...identity,
    topic: record.topic,
    key: bytes(record.keyBase64),
    ...(record.partition !== undefined && { partition: record.partition }),
    ...(record.partitionKeyBase64 !== undefined && {
      partitionKey: Buffer.from(record.partitionKeyBase64, 'base64'),
    }),
    value,
    headers: record.headers.map(([name, valueBase64]): EventHeader => [name, bytes(valueBase64)]),
    timestampMs: record.timestampMs,
  })
}

export function rowChange(identity: EventIdentity, row: StoredRow): RowChange {
  return insertOf(identity, row.relation, row.valuesBase64.map(bytes))
}

/** A row of a table as if it came from the log at the position of `identity`. */
export function insertOf(
  identity: Pick<EventIdentity, 'position' | 'commitTimestampMs'>,
  relation: Relation,
  values: readonly (Uint8Array | null)[],
): RowChange {
  const { position, commitTimestampMs } = identity
  const change = { kind: 'insert' as const, relation, row: tupleOf(values) }
  return { kind: 'row', change, position, commitTimestampMs, xid: 0 }
}

function base64(value: Uint8Array | null): string | null {
  if (value === null) return null
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
}

function bytes(valueBase64: string | null): Uint8Array | null {
  return valueBase64 === null ? null : Buffer.from(valueBase64, 'base64')
}
