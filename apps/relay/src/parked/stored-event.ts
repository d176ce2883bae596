import {
  type ColumnValue,
  type EventHeader,
  type EventIdentity,
  type OutboxRouter,
  type RegistryEncoding,
  type Relation,
  RoutedEvent,
  type RowChange,
  type RowMessage,
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
  /** What a schema registry still has to do. */
  readonly encoding?: RegistryEncoding
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
  /** Of an event that is to be routed again when it is replayed, unless it is too large to keep. */
  readonly row: StoredRow | undefined
  /** What the row takes in memory beside its event. */
  readonly sizeBytes?: number
}

/** Rows above this are found again in their table: they are not kept twice. */
const STORED_ROW_BYTES_MAX = 1_048_576
/** Objects around the bytes of a row that is kept, roughly. */
const KEPT_ROW_OVERHEAD_BYTES = 1_280
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
  const values = keptValues(change)
  return values === undefined ? origin : { ...origin, row: storedRow(relation, values) }
}

/**
 * The origin of a row that can be published. Where a function has routed it its row is kept: should it be parked,
 * the function of that time routes it when it is replayed.
 */
export function routedOrigin({ change }: RowChange, { isCustom }: OutboxRouter): EventOrigin {
  const { relation } = change
  const origin = originOf(relation)
  const values = isCustom ? keptValues(change) : undefined
  if (values === undefined) return origin
  // It is needed for few of them, and the message that the values are views of is gone by then.
  const kept = tupleOf(values)
  return {
    table: origin.table,
    sizeBytes: kept.sizeBytes + KEPT_ROW_OVERHEAD_BYTES,
    get row() {
      return storedRow(
        relation,
        Array.from({ length: kept.columnCount }, (_, index) => bytesOf(kept.value(index))),
      )
    },
  }
}

/** Undefined when they are too large to be kept. */
function keptValues(change: RowMessage): readonly (Uint8Array | null)[] | undefined {
  if (change.kind !== 'insert') return undefined
  const values = change.relation.columns.map((_, index) => bytesOf(change.row.value(index)))
  const sizeBytes = values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
  return sizeBytes > STORED_ROW_BYTES_MAX ? undefined : values
}

function bytesOf(value: ColumnValue | undefined): Uint8Array | null {
  return value instanceof Uint8Array ? value : null
}

function storedRow(relation: Relation, values: readonly (Uint8Array | null)[]): StoredRow {
  return { relation, valuesBase64: values.map(base64) }
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
    ...(event.encoding !== undefined && { encoding: event.encoding }),
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
    headers: storedHeaders(record),
    timestampMs: record.timestampMs,
    ...(record.encoding !== undefined && { encoding: record.encoding }),
  })
}

export function storedHeaders({ headers }: StoredRecord): readonly EventHeader[] {
  return headers.map(([name, valueBase64]) => [name, bytes(valueBase64)])
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
