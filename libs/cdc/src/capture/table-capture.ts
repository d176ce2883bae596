import { DecodeError, invariant } from '@fairlead/base'
import type { SourceCatalog } from '../columns/source-catalog.ts'
import { type TableColumn, keyColumnNames, tableColumns } from '../columns/table-schema.ts'
import type { ValueOptions } from '../columns/value-options.ts'
import {
  type ConnectDatum,
  type ConnectSchema,
  type ConnectValue,
  NO_DATUM,
  required,
  struct,
} from '../connect/connect-schema.ts'
import { convert, convertPart, isFault } from '../connect/converter.ts'
import { toConnectJson } from '../connect/json-converter.ts'
import type { EventPosition } from '../event-position.ts'
import { HeaderWriter, POSITION_HEADER_COUNT } from '../outbox-headers.ts'
import { type Converters, type OutboxRouterOptions, structured } from '../outbox-options.ts'
import { registryEncoding } from '../outbox-router.ts'
import type { Relation, RowMessage } from '../pgoutput-message.ts'
import { type EventHeader, RecordBodyWriter } from '../record-body.ts'
import { type EventIdentity, RoutedEvent, type UnroutableEvent, extrasOf } from '../routed-event.ts'
import { topicNameFault } from '../topic-name.ts'
import type { RowChange, TruncatedTables } from '../transaction-assembler.ts'
import { type Tuple, UNCHANGED } from '../tuple.ts'
import {
  type Operation,
  type SnapshotState,
  type SourceFacts,
  envelope,
  envelopeSchema,
  sourceBlock,
} from './envelope.ts'

export type TableCaptureOptions = {
  /** Tables whose changes are published, as regular expressions for the whole of `schema.table`. */
  readonly tables: readonly RegExp[]
  /** Outbox tables, whose rows are events themselves. */
  readonly exceptTables: readonly string[]
  /** `tombstones.on.delete`: null behind a delete, so that compaction removes the key. */
  readonly tombstonesOnDelete: boolean
  /** `skipped.operations` */
  readonly skippedOperations: ReadonlySet<string>
  /** `message.key.columns`: the first match names the columns of the key. */
  readonly keyColumns: readonly { readonly table: RegExp; readonly columns: readonly string[] }[]
  /** A large value that did not change: Debezium's placeholder, or no field at all. */
  readonly unavailableValues: 'placeholder' | 'omit'
  readonly converters: Converters
  readonly values: ValueOptions
  readonly catalog: SourceCatalog
  readonly contextHeaders: OutboxRouterOptions['contextHeaders']
  readonly topicPrefix: string
  readonly version: string
  readonly source: string
  readonly wallNowMs: () => number
}

/** A row that was read from its table. */
export type SnapshotRow = {
  readonly relation: Relation
  readonly tuple: Tuple
  /** Of the watermark behind which it stands; the index is its place there. */
  readonly position: EventPosition
  /** When it was read. */
  readonly commitTimestampMs: number
  readonly snapshot: 'true' | 'incremental'
}

/** What is known of a relation until Postgres announces it anew. */
type Plan = {
  readonly table: string
  readonly topic: string
  readonly topicFault: string | undefined
  readonly columns: readonly TableColumn[]
  readonly key: { readonly schema: ConnectSchema; readonly columns: readonly TableColumn[] } | null
  readonly rowSchema: ConnectSchema
  readonly envelope: ConnectSchema
}

/** One record of a change. A change of a key is three: delete, tombstone, create. */
type Part = {
  readonly key: ConnectDatum
  readonly value: ConnectDatum
  readonly operation: Operation
  readonly keyHeader?: readonly [name: string, key: ConnectDatum]
}

const TEXT = new TextEncoder()
const OLD_KEY_HEADER = '__debezium.oldkey'
const NEW_KEY_HEADER = '__debezium.newkey'

/**
 * Turns the changes of ordinary tables into records with Debezium's envelope.
 *
 * Nothing is made up: a large value that was not sent is marked, and the old row has what the
 * replica identity of the table put into the log. What is not null and not known there is empty, or
 * the default, as in Debezium, since the schema leaves no other choice.
 */
export class TableCapture {
  readonly #options: TableCaptureOptions
  readonly #body = new RecordBodyWriter()
  readonly #headers: HeaderWriter
  readonly #facts: SourceFacts
  readonly #plans = new WeakMap<Relation, Plan>()
  readonly #isCaptured = new WeakMap<Relation, boolean>()

  constructor(options: TableCaptureOptions) {
    this.#options = { ...options, converters: structured(options.converters) }
    this.#headers = new HeaderWriter({ source: options.source })
    this.#facts = {
      version: options.version,
      name: options.topicPrefix,
      database: options.catalog.database,
    }
  }

  captures(relation: Relation): boolean {
    const known = this.#isCaptured.get(relation)
    if (known !== undefined) return known
    const isCaptured = this.capturesTable(`${relation.schema}.${relation.table}`)
    this.#isCaptured.set(relation, isCaptured)
    return isCaptured
  }

  /** By its name, `schema.table`. */
  capturesTable(name: string): boolean {
    const { tables, exceptTables } = this.#options
    return tables.some((pattern) => pattern.test(name)) && !exceptTables.includes(name)
  }

  /** The records of a row's change, in order, each with a position of its own. */
  capture(row: RowChange): readonly (RoutedEvent | UnroutableEvent)[] {
    const { relation } = row.change
    const plan = this.#planOf(relation)
    try {
      return this.#numbered(row, plan, this.#partsOf(row, plan))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      const { change, events } = row
      events?.next(plan.table)
      const key = keyOrNone(plan, change.kind === 'delete' ? change.oldRow : change.row)
      return [unroutable(this.#identity(row, plan, key, 'u'), 'INVALID_VALUE', error.message)]
    }
  }

  /** The record of a row that was read from its table, which stands at the watermark behind it. */
  read(row: SnapshotRow): RoutedEvent | UnroutableEvent {
    const { relation, tuple, snapshot } = row
    const plan = this.#planOf(relation)
    const change = { ...row, xid: null }
    try {
      const states = { before: null, after: this.#rowOf(plan, tuple) }
      const value = this.#envelope(change, plan, { operation: 'r', snapshot }, states)
      return this.#record(change, plan, { key: keyOf(plan, tuple), value, operation: 'r' })
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      const key = keyOrNone(plan, tuple)
      return unroutable(this.#identity(change, plan, key, 'r'), 'INVALID_VALUE', error.message)
    }
  }

  /** A record without a key for each table that is captured. */
  captureTruncate(truncated: TruncatedTables): readonly (RoutedEvent | UnroutableEvent)[] {
    if (this.#options.skippedOperations.has('t')) return []
    return truncated.relations.flatMap((relation, index) => {
      if (!this.captures(relation)) return []
      const { commitLsn, commitIndex } = truncated.position
      const position = { commitLsn, commitIndex: commitIndex + index }
      const plan = this.#planOf(relation)
      const change = { ...truncated, position, relation }
      const kind = { operation: 't', snapshot: 'false' } as const
      const value = this.#envelope(change, plan, kind, { before: null, after: null })
      return [this.#record(change, plan, { key: NO_DATUM, value, operation: 't' })]
    })
  }

  #planOf(relation: Relation): Plan {
    const known = this.#plans.get(relation)
    if (known !== undefined) return known
    const plan = this.#newPlan(relation)
    this.#plans.set(relation, plan)
    return plan
  }

  #newPlan(relation: Relation): Plan {
    const { topicPrefix, catalog, values, keyColumns } = this.#options
    const table = `${relation.schema}.${relation.table}`
    const topic = `${topicPrefix}.${table}`
    const columns = tableColumns(relation, catalog, values)
    const chosen = keyColumns.find(({ table: pattern }) => pattern.test(table))
    const keyNames = chosen?.columns ?? keyColumnNames(relation, catalog)
    const key = keyNames.flatMap((name) => columns.filter((column) => column.name === name))
    const rowSchema = struct(`${topic}.Value`, columns.map(fieldOf))
    return {
      table,
      topic,
      topicFault: topicNameFault(topic),
      columns,
      key:
        key.length === 0
          ? null
          : { schema: struct(`${topic}.Key`, key.map(fieldOf)), columns: key },
      rowSchema,
      envelope: envelopeSchema(topic, rowSchema),
    }
  }

  #partsOf(row: RowChange, plan: Plan): readonly Part[] {
    const { change } = row
    const source = { ...row, relation: change.relation }
    const envelopeOf = (operation: Operation, before: ConnectValue, after: ConnectValue) =>
      this.#envelope(source, plan, { operation, snapshot: 'false' }, { before, after })
    switch (change.kind) {
      case 'insert': {
        const key = keyOf(plan, change.row)
        return [
          { key, value: envelopeOf('c', null, this.#rowOf(plan, change.row)), operation: 'c' },
        ]
      }
      case 'delete':
        return this.#removal(plan, change.oldRow, (before) => envelopeOf('d', before, null))
      case 'update':
        return this.#update(plan, change, envelopeOf)
    }
  }

  #update(
    plan: Plan,
    change: RowMessage & { readonly kind: 'update' },
    envelopeOf: (operation: Operation, before: ConnectValue, after: ConnectValue) => ConnectDatum,
  ): readonly Part[] {
    const { oldRow, row } = change
    const newKey = keyOf(plan, row, oldRow)
    const oldKey = oldRow === undefined ? newKey : keyOf(plan, oldRow)
    const after = this.#rowOf(plan, row, oldRow)
    if (toConnectJson(oldKey, false) === toConnectJson(newKey, false) || oldRow === undefined) {
      const before = oldRow === undefined ? null : this.#rowOf(plan, oldRow)
      return [{ key: newKey, value: envelopeOf('u', before, after), operation: 'u' }]
    }
    const removal = this.#removal(plan, oldRow, (before) => envelopeOf('d', before, null))
    return [
      ...removal.map((part) => ({ ...part, keyHeader: [NEW_KEY_HEADER, newKey] as const })),
      {
        key: newKey,
        value: envelopeOf('c', null, after),
        operation: 'c',
        keyHeader: [OLD_KEY_HEADER, oldKey],
      },
    ]
  }

  #removal(plan: Plan, oldRow: Tuple, envelopeOf: (before: ConnectValue) => ConnectDatum): Part[] {
    const key = keyOf(plan, oldRow)
    const removal: Part = { key, value: envelopeOf(this.#rowOf(plan, oldRow)), operation: 'd' }
    if (!this.#options.tombstonesOnDelete) return [removal]
    return [removal, { key, value: NO_DATUM, operation: 'd' }]
  }

  /** A value that was not sent is taken from the old row, where the log has that. */
  #rowOf(plan: Plan, tuple: Tuple, oldRow?: Tuple): ConnectValue {
    const omits = this.#options.unavailableValues === 'omit'
    return plan.columns.map((column) => {
      const value = tuple.value(column.index)
      if (value !== UNCHANGED) return column.valueOf(value)
      const old = oldRow?.value(column.index)
      if (old instanceof Uint8Array) return column.valueOf(old)
      return omits ? undefined : column.valueOf(UNCHANGED)
    })
  }

  #envelope(
    change: { readonly relation: Relation; readonly xid: number | null } & Pick<
      RowChange,
      'position' | 'commitTimestampMs' | 'commitTimestampUs' | 'events'
    >,
    plan: Plan,
    kind: { readonly operation: Operation; readonly snapshot: SnapshotState },
    states: { readonly before: ConnectValue; readonly after: ConnectValue },
  ): ConnectDatum {
    const nowMs = this.#options.wallNowMs()
    const { position, xid, commitTimestampMs } = change
    const commitTimestampUs = change.commitTimestampUs ?? commitTimestampMs * 1_000
    const time = { position, xid, commitTimestampUs, nowMs }
    const source = sourceBlock(change.relation, this.#facts, time, kind.snapshot)
    const { operation } = kind
    // A tombstone has no place of its own: it belongs to the delete before it.
    const isSkipped = this.#options.skippedOperations.has(operation)
    const order = isSkipped ? undefined : change.events?.next(plan.table)
    return { schema: plan.envelope, value: envelope(operation, states, source, order, nowMs) }
  }

  #numbered(row: RowChange, plan: Plan, parts: readonly Part[]) {
    const { commitLsn, commitIndex } = row.position
    invariant(parts.length <= 3, 'a change is at most three records')
    return parts.flatMap((part, index) => {
      if (this.#options.skippedOperations.has(part.operation)) return []
      const position = { commitLsn, commitIndex: commitIndex + index }
      return [this.#record({ ...row, position }, plan, part)]
    })
  }

  #record(
    change: Pick<RowChange, 'position' | 'commitTimestampMs'>,
    plan: Plan,
    part: Part,
  ): RoutedEvent | UnroutableEvent {
    const { converters } = this.#options
    const identity = this.#identity(change, plan, part.key, part.operation)
    if (plan.topicFault !== undefined) return unroutable(identity, 'INVALID_TOPIC', plan.topicFault)
    const key = convertPart(converters.key, part.key)
    if (isFault(key)) return unroutable(identity, 'INVALID_KEY', key.fault)
    const value = convertPart(converters.value, part.value)
    if (isFault(value)) return unroutable(identity, 'INVALID_VALUE', value.fault)
    const { commitLsn, commitIndex } = change.position
    const commit = this.#headers.stampOf(commitLsn, change.commitTimestampMs)
    const headers = this.#firstHeaders(part)
    const body = this.#body
    body.begin()
    body.bytes(key.bytes)
    body.bytes(value.bytes)
    body.headerCount(headers.length + POSITION_HEADER_COUNT)
    for (const header of headers) body.header(header)
    this.#headers.writePosition(body, commitIndex)
    return new RoutedEvent({
      ...identity,
      topic: plan.topic,
      commit,
      commitIndex,
      body: body.end(),
      timestampMs: change.commitTimestampMs,
      extras: extrasOf({
        partition: undefined,
        // Rows of a table without a key share a partition, so that their order is kept.
        partitionKey: key.bytes === null ? TEXT.encode(plan.table) : undefined,
        encoding: registryEncoding(key, value),
      }),
    })
  }

  #firstHeaders({ keyHeader }: Part): readonly EventHeader[] {
    const { contextHeaders, converters } = this.#options
    const context = contextHeaders.map(
      ([name, text]) => [name, { schema: required('string'), value: text }] as const,
    )
    const data = keyHeader === undefined ? context : [keyHeader, ...context]
    return data.flatMap(([name, datum]) => {
      const bytes = convert(converters.header, datum)
      return isFault(bytes) ? [] : [[name, bytes] as const]
    })
  }

  #identity(
    { position, commitTimestampMs }: Pick<RowChange, 'position' | 'commitTimestampMs'>,
    plan: Plan,
    key: ConnectDatum,
    operation: Operation,
  ): EventIdentity {
    return {
      position,
      commitTimestampMs,
      eventId: null,
      aggregateType: plan.table,
      aggregateId: toConnectJson(key, false),
      type: operation,
      headersText: null,
    }
  }
}

function unroutable(
  identity: EventIdentity,
  code: UnroutableEvent['code'],
  reason: string,
): UnroutableEvent {
  return { ...identity, kind: 'unroutable', code, reason, value: null }
}

/** A value that was not sent is that of the old row. */
function keyOf({ key }: Plan, tuple: Tuple, oldRow?: Tuple): ConnectDatum {
  if (key === null) return NO_DATUM
  const valueOf = ({ index }: TableColumn) => {
    const value = tuple.value(index)
    return value === UNCHANGED ? (oldRow?.value(index) ?? value) : value
  }
  return { schema: key.schema, value: key.columns.map((column) => column.valueOf(valueOf(column))) }
}

/** So that later changes of the key wait behind one that cannot be published. */
function keyOrNone(plan: Plan, tuple: Tuple): ConnectDatum {
  try {
    return keyOf(plan, tuple)
  } catch (error) {
    if (error instanceof DecodeError) return NO_DATUM
    throw error
  }
}

function fieldOf({ name, schema }: TableColumn): {
  readonly name: string
  readonly schema: ConnectSchema
} {
  return { name, schema }
}
