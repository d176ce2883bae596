import { DecodeError } from '@fairlead/base'
import {
  type ConnectDatum,
  type ConnectSchema,
  type ConnectValue,
} from '../connect/connect-schema.ts'
import type { Relation, RelationColumn } from '../pgoutput-message.ts'
import { type ColumnValue, UNCHANGED } from '../tuple.ts'
import { type ColumnType, columnType } from './column-type.ts'
import { columnDefault } from './column-default.ts'
import type { SourceCatalog, TableFacts } from './source-catalog.ts'
import { unavailableValue } from './unavailable-value.ts'
import type { ValueOptions } from './value-options.ts'

/** A column of a table with what Connect needs to know of it. */
export class TableColumn {
  readonly name: string
  readonly index: number
  /** With the column's own nullability and default. */
  readonly schema: ConnectSchema
  readonly #type: ColumnType
  readonly #unavailable: ConnectValue

  constructor(
    column: RelationColumn,
    index: number,
    schema: ConnectSchema,
    type: ColumnType,
    placeholder: string,
  ) {
    this.name = column.name
    this.index = index
    this.schema = schema
    this.#type = type
    this.#unavailable = unavailableValue(schema, placeholder)
  }

  /**
   * The value: the default in place of null, as Connect has it; a placeholder for a large value that
   * did not change and was not sent.
   *
   * @throws {DecodeError} naming the column, when the text is no value of its type.
   */
  valueOf(value: ColumnValue | undefined): ConnectValue {
    if (value === UNCHANGED) return this.#unavailable
    if (value === null || value === undefined)
      return this.schema.defaultValue ?? absentValue(this.schema)
    try {
      return this.#type.parse(value)
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      throw new DecodeError(`column ${this.name}: ${reason}`, 0)
    }
  }

  datumOf(value: ColumnValue | undefined): ConnectDatum {
    return { schema: this.schema, value: this.valueOf(value) }
  }
}

/** What stands where a value must be and none is known: in the old row, all but its key. */
function absentValue({ type, isOptional, name }: ConnectSchema): ConnectValue {
  if (isOptional) return null
  switch (type) {
    case 'string':
      return name === 'io.debezium.time.ZonedTimestamp' ? '1970-01-01T00:00:00Z' : ''
    case 'bytes':
      return new Uint8Array()
    case 'boolean':
      return false
    case 'int64':
      return 0n
    case 'array':
    case 'struct':
    case 'map':
      return null
    case 'int16':
    case 'int32':
    case 'float32':
    case 'float64':
      return 0
  }
}

/** The columns of a relation, in its order. */
export function tableColumns(
  relation: Relation,
  catalog: SourceCatalog,
  options: ValueOptions,
): readonly TableColumn[] {
  const facts = factsOf(relation, catalog)
  return relation.columns.map((column, index) => {
    const type = columnType(column, catalog.types, options)
    const columnFacts = facts?.columns.get(column.name)
    const isOptional = !(columnFacts?.isNotNull ?? column.isKey)
    const expression = columnFacts?.defaultExpression ?? null
    const defaultValue =
      expression === null ? undefined : columnDefault(expression, column, type, catalog.types)
    const schema: ConnectSchema = {
      ...type.schema,
      isOptional,
      ...(defaultValue !== undefined && { defaultValue }),
    }
    return new TableColumn(column, index, schema, type, options.unavailablePlaceholder)
  })
}

/**
 * Names of the key's columns: the primary key, or else the replica identity. The catalog is that of today,
 * and the relation that of the row: where it has not all columns of the key, one was renamed in between, and
 * the row's own replica identity is its key.
 */
export function keyColumnNames(relation: Relation, catalog: SourceCatalog): readonly string[] {
  const { primaryKey = [] } = factsOf(relation, catalog) ?? {}
  const names = new Set(relation.columns.map(({ name }) => name))
  if (primaryKey.length > 0 && primaryKey.every((name) => names.has(name))) return primaryKey
  const isIdentity = relation.replicaIdentity !== 'f'
  return relation.columns.filter(({ isKey }) => isKey && isIdentity).map(({ name }) => name)
}

function factsOf({ schema, table }: Relation, catalog: SourceCatalog): TableFacts | undefined {
  return catalog.tables.get(`${schema}.${table}`)
}
