import type { JsonValue } from './json/json-value.ts'

/**
 * An Avro schema with its names resolved: a use of a named type is the very object of its
 * definition, so a recursive schema is a cyclic graph. Built by `parseSchema` only, which checks
 * what Avro demands; never changed afterwards.
 */
export type AvroSchema =
  | PrimitiveSchema
  | RecordSchema
  | EnumSchema
  | FixedSchema
  | ArraySchema
  | MapSchema
  | UnionSchema

export type NamedSchema = RecordSchema | EnumSchema | FixedSchema

const PRIMITIVE_KINDS = [
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
] as const
export type PrimitiveKind = (typeof PRIMITIVE_KINDS)[number]

type Node = {
  /**
   * JSON pointer (RFC 6901) of the definition in its text. A type that comes from a reference has
   * `name#` before it, with the name of the reference.
   */
  readonly pointer: string
  /** Attributes that Avro does not define, `logicalType` among them, in source order. */
  readonly properties: ReadonlyMap<string, JsonValue>
}

/** Named types: record, enum and fixed. */
type Named = Node & {
  readonly name: FullName
  readonly aliases: readonly FullName[]
  readonly doc: string | undefined
}

export type FullName = {
  /** The part behind the last dot. */
  readonly name: string
  readonly namespace: string | undefined
  /** Both, with a dot between them. */
  readonly fullName: string
}

export type PrimitiveSchema = Node & { readonly kind: PrimitiveKind }
export type RecordSchema = Named & {
  readonly kind: 'record'
  /** Declared with `"type": "error"`. */
  readonly isError: boolean
  readonly fields: readonly RecordField[]
}
export type EnumSchema = Named & {
  readonly kind: 'enum'
  readonly symbols: readonly string[]
  /** The symbol that a reader takes for one that it does not know. */
  readonly defaultSymbol: string | undefined
}
export type FixedSchema = Named & { readonly kind: 'fixed'; readonly sizeBytes: number }
export type ArraySchema = Node & { readonly kind: 'array'; readonly items: AvroSchema }
export type MapSchema = Node & { readonly kind: 'map'; readonly values: AvroSchema }
export type UnionSchema = Node & {
  readonly kind: 'union'
  readonly branches: readonly AvroSchema[]
}

export type FieldOrder = 'ascending' | 'descending' | 'ignore'

export type RecordField = Node & {
  readonly name: string
  readonly type: AvroSchema
  readonly doc: string | undefined
  /** Undefined when there is none; a default of null is a `JsonNull`. */
  readonly defaultValue: JsonValue | undefined
  readonly order: FieldOrder
  readonly aliases: readonly string[]
}

export function isNamed(schema: AvroSchema): schema is NamedSchema {
  return schema.kind === 'record' || schema.kind === 'enum' || schema.kind === 'fixed'
}

export function isPrimitiveKind(text: string): text is PrimitiveKind {
  return (PRIMITIVE_KINDS as readonly string[]).includes(text)
}
