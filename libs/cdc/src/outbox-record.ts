import { DecodeError, EVENT_HEADERS, invariant } from '@fairlead/base'
import { type TableColumn, tableColumns } from './columns/table-schema.ts'
import {
  type ConnectDatum,
  type ConnectSchema,
  NO_DATUM,
  OPTIONAL_STRING,
  required,
  struct,
} from './connect/connect-schema.ts'
import {
  type ConversionFault,
  type Converted,
  type Converter,
  convert,
  convertPart,
  isFault,
} from './connect/converter.ts'
import { expandJson } from './connect/expand-json.ts'
import type { FieldPlacement, OutboxRouterOptions } from './outbox-options.ts'
import type { Relation } from './pgoutput-message.ts'
import { TYPE_OIDS, parseBytea } from './postgres-text.ts'
import type { EventHeader } from './record-body.ts'
import type { Tuple } from './tuple.ts'

/** What a row gives to its record, but for the topic; the bytes may be views of the row. */
export type OutboxRecord = {
  readonly key: Converted
  readonly value: Converted
  /** From the `id` on; those of the position follow. */
  readonly headers: readonly EventHeader[]
  readonly partition: number | undefined
}

export type RecordFault = {
  readonly fault: string
  readonly code: 'INVALID_KEY' | 'INVALID_PAYLOAD' | 'INVALID_HEADERS' | 'INVALID_PARTITION'
}

/** Schemas of values are remembered up to here; the routed value is part of their name. */
const SCHEMAS_MAX = 1_000
const INT32_MAX = 2 ** 31 - 1

/**
 * Builds records of one outbox table with converters of Kafka Connect, placed columns and payloads
 * that are expanded. A table without any of these needs none of it.
 */
export class OutboxRecords {
  readonly #options: OutboxRouterOptions
  readonly #relation: Relation
  readonly #columns: ReadonlyMap<string, TableColumn>
  readonly #placements: readonly (FieldPlacement & { readonly column: TableColumn })[]
  readonly #valueSchemas = new Map<string, ConnectSchema>()

  constructor(relation: Relation, options: OutboxRouterOptions) {
    this.#options = options
    this.#relation = relation
    const columns = tableColumns(relation, options.catalog, options.values)
    this.#columns = new Map(columns.map((column) => [column.name, column]))
    this.#placements = options.placements.flatMap((placement) => {
      const column = this.#columns.get(placement.field)
      return column === undefined ? [] : [{ ...placement, column }]
    })
  }

  /** `routedByValue` is part of the name of the value's schema. */
  recordOf(tuple: Tuple, routedByValue: string, tenant: string | null): OutboxRecord | RecordFault {
    const { converters, fields } = this.#options
    const key = this.#columnPart(converters.key, tuple, fields.key)
    if (isFault(key)) return { fault: key.fault, code: 'INVALID_KEY' }
    const headers = this.#headersOf(tuple, tenant)
    if ('fault' in headers) return { fault: headers.fault, code: 'INVALID_HEADERS' }
    const value = this.#valueOf(tuple, routedByValue)
    if (isFault(value)) return { fault: value.fault, code: 'INVALID_PAYLOAD' }
    const partition = this.#partitionOf(tuple)
    if (typeof partition === 'object') return { fault: partition.fault, code: 'INVALID_PARTITION' }
    return { key, value, headers, partition }
  }

  #headersOf(tuple: Tuple, tenant: string | null): readonly EventHeader[] | ConversionFault {
    const { contextHeaders, converters, fields, tenant: routing } = this.#options
    const headers: EventHeader[] = []
    const add = (name: string, value: Uint8Array | null | ConversionFault): void => {
      if (!isFault(value)) headers.push([name, value])
    }
    for (const [name, text] of contextHeaders) {
      add(name, convertOrText(converters.header, text))
    }
    const placed = this.#placements.filter(({ placement }) => placement === 'header')
    const sources = [{ alias: EVENT_HEADERS.id as string, field: fields.id }, ...placed]
    for (const { alias, field } of sources) {
      const value = this.#columnBytes(converters.header, tuple, field)
      if (isFault(value)) return { fault: `header ${alias}: ${value.fault}` }
      add(alias, value)
    }
    if (fields.type !== '' && this.#columns.has(fields.type)) {
      add(EVENT_HEADERS.type, this.#columnBytes({ kind: 'raw' }, tuple, fields.type))
    }
    if (routing !== undefined && routing.header !== '' && tenant !== null) {
      headers.push([routing.header, TEXT.encode(tenant)])
    }
    return headers
  }

  #valueOf(tuple: Tuple, routedByValue: string): Converted | ConversionFault {
    const { converters, tombstoneOnEmptyPayload, fields, expandJson: expand } = this.#options
    const hasEnvelope = this.#options.placements.some(({ placement }) => placement === 'envelope')
    const isPlain = converters.value.kind === 'raw' && !hasEnvelope
    if (tombstoneOnEmptyPayload && this.#isEmptyPayload(tuple)) return { bytes: null }
    if (isPlain) return this.#columnPart(converters.value, tuple, fields.payload)
    const payload = this.#datumOf(tuple, fields.payload)
    if (isFault(payload)) return payload
    const expanded =
      expand !== undefined && typeof payload.value === 'string'
        ? expandJson(fields.payload, payload.value, expand)
        : payload
    // As Debezium does: what cannot be expanded goes out as it is.
    const body = 'fault' in expanded ? payload : expanded
    const value = hasEnvelope ? this.#envelopeOf(tuple, body, routedByValue) : body
    return isFault(value) ? value : convertPart(converters.value, value)
  }

  /** Null, or text of nothing but blanks; Java trims all that is not above a blank. */
  #isEmptyPayload(tuple: Tuple): boolean {
    const column = this.#columns.get(this.#options.fields.payload)
    const value = column === undefined ? null : tuple.value(column.index)
    if (column === undefined || !(value instanceof Uint8Array)) return true
    // Debezium takes no bytes for empty ones; without a converter of Connect they are.
    if (this.#isBytea(column)) {
      return this.#options.converters.value.kind === 'raw' && value.length === BYTEA_PREFIX_BYTES
    }
    return column.schema.type === 'string' && value.every((byte) => byte <= BLANK)
  }

  #envelopeOf(
    tuple: Tuple,
    payload: ConnectDatum,
    routedByValue: string,
  ): ConnectDatum | ConversionFault {
    const placed = this.#placements.filter(({ placement }) => placement === 'envelope')
    const values: ConnectDatum['value'][] = [payload.value]
    for (const { field } of placed) {
      const datum = this.#datumOf(tuple, field)
      if (isFault(datum)) return datum
      values.push(datum.value)
    }
    const version = this.#schemaVersion(tuple)
    const schema = this.#valueSchema(payload.schema ?? OPTIONAL_STRING, routedByValue, version)
    return { schema, value: values }
  }

  #schemaVersion(tuple: Tuple): number | undefined {
    const { schemaVersion } = this.#options.fields
    if (schemaVersion === '') return undefined
    const datum = this.#datumOf(tuple, schemaVersion)
    return isFault(datum) || typeof datum.value !== 'number' ? undefined : datum.value
  }

  #valueSchema(
    payload: ConnectSchema,
    routedByValue: string,
    version: number | undefined,
  ): ConnectSchema {
    const { topicPrefix } = this.#options
    const { schema, table } = this.#relation
    const name = `${topicPrefix}.${schema}.${table}.${routedByValue}.Value`
    // A payload that is expanded may have a schema of its own in each row.
    const isFixed = payload === this.#columns.get(this.#options.fields.payload)?.schema
    const known = isFixed ? this.#valueSchemas.get(`${name} ${version}`) : undefined
    if (known !== undefined) return known
    const placed = this.#placements.filter(({ placement }) => placement === 'envelope')
    const built: ConnectSchema = {
      ...struct(name, [
        { name: 'payload', schema: payload },
        ...placed.map(({ alias, column }) => ({ name: alias, schema: column.schema })),
      ]),
      ...(version !== undefined && { version }),
    }
    if (this.#valueSchemas.size >= SCHEMAS_MAX) this.#valueSchemas.clear()
    if (isFixed) this.#valueSchemas.set(`${name} ${version}`, built)
    return built
  }

  #isBytea({ index }: TableColumn): boolean {
    return this.#relation.columns[index]?.typeOid === TYPE_OIDS.bytea
  }

  #partitionOf(tuple: Tuple): number | undefined | ConversionFault {
    const placed = this.#placements.find(({ placement }) => placement === 'partition')
    if (placed === undefined) return undefined
    const datum = this.#datumOf(tuple, placed.field)
    if (isFault(datum)) return datum
    if (datum.value === null) return undefined
    const partition = Number(datum.value)
    if (Number.isInteger(partition) && partition >= 0 && partition <= INT32_MAX) return partition
    return { fault: `column ${placed.field} has ${partition}, which is no partition` }
  }

  #datumOf(tuple: Tuple, field: string): ConnectDatum | ConversionFault {
    const column = this.#columns.get(field)
    if (column === undefined) return NO_DATUM
    try {
      return column.datumOf(tuple.value(column.index))
    } catch (error) {
      if (error instanceof DecodeError) return { fault: error.message }
      throw error
    }
  }

  #columnPart(converter: Converter, tuple: Tuple, field: string): Converted | ConversionFault {
    if (converter.kind === 'avro') {
      const datum = this.#datumOf(tuple, field)
      return isFault(datum) ? datum : convertPart(converter, datum)
    }
    const bytes = this.#columnBytes(converter, tuple, field)
    return isFault(bytes) ? bytes : { bytes }
  }

  #columnBytes(
    converter: Converter,
    tuple: Tuple,
    field: string,
  ): Uint8Array | null | ConversionFault {
    const column = this.#columns.get(field)
    invariant(column !== undefined, 'the columns of a record were looked for')
    const value = tuple.value(column.index)
    if (converter.kind !== 'raw') {
      const datum = this.#datumOf(tuple, field)
      return isFault(datum) ? datum : convert(converter, datum)
    }
    if (!(value instanceof Uint8Array)) return null
    if (!this.#isBytea(column)) return value
    try {
      return parseBytea(value)
    } catch (error) {
      if (error instanceof DecodeError) return { fault: error.message }
      throw error
    }
  }
}

const TEXT = new TextEncoder()
const BLANK = 0x20
/** `\x` */
const BYTEA_PREFIX_BYTES = 2

function convertOrText(converter: Converter, text: string): Uint8Array | null | ConversionFault {
  if (converter.kind === 'raw') return TEXT.encode(text)
  return convert(converter, { schema: required('string'), value: text })
}
