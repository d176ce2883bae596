/** Type of a value in Kafka Connect's data model (`org.apache.kafka.connect.data.Schema.Type`). */
export type ConnectType =
  | 'boolean'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct'

/** A schema of Kafka Connect: what a converter may write beside the value, and how it reads it. */
export type ConnectSchema = {
  readonly type: ConnectType
  readonly isOptional: boolean
  /** Of a struct, or of a logical type such as `io.debezium.time.Date`. */
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly defaultValue?: ConnectValue
  /** Of a struct. */
  readonly fields?: readonly ConnectField[]
  /** Of an array's elements, or of a map's values; the keys of a map are text. */
  readonly items?: ConnectSchema
}

export type ConnectField = { readonly name: string; readonly schema: ConnectSchema }

/**
 * A value by its schema: int64 is a bigint, every other number a number; a struct is an array in the
 * order of its fields, with undefined for a field that is left out; logical types are their underlying value.
 */
export type ConnectValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly (ConnectValue | undefined)[]
  | ReadonlyMap<string, ConnectValue>

/** A value beside its schema. Without a schema the value is null: a tombstone, or no key. */
export type ConnectDatum =
  | { readonly schema: ConnectSchema; readonly value: ConnectValue }
  | { readonly schema: null; readonly value: null }

export const NO_DATUM: ConnectDatum = { schema: null, value: null }

export function required(type: ConnectType): ConnectSchema {
  return { type, isOptional: false }
}

export function optional(schema: ConnectSchema): ConnectSchema {
  return { ...schema, isOptional: true }
}

export const OPTIONAL_STRING: ConnectSchema = optional(required('string'))
export const OPTIONAL_INT64: ConnectSchema = optional(required('int64'))

/** A logical type, with version 1 as Debezium's and Connect's own have. */
export function logical(
  type: ConnectType,
  name: string,
  parameters?: Readonly<Record<string, string>>,
): ConnectSchema {
  const schema: ConnectSchema = { type, isOptional: false, name, version: 1 }
  return parameters === undefined ? schema : { ...schema, parameters }
}

export function struct(name: string | undefined, fields: readonly ConnectField[]): ConnectSchema {
  const schema: ConnectSchema = { type: 'struct', isOptional: false, fields }
  return name === undefined ? schema : { ...schema, name }
}
