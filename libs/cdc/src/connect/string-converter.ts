import { toBase64 } from './base64.ts'
import type { ConnectDatum, ConnectSchema, ConnectValue } from './connect-schema.ts'
import { javaDouble, javaFloat } from './java-number.ts'
import { isMap } from './json-converter.ts'

/** A value that has no text of its own in Java: `StringConverter` writes the address of its bytes. */
export class NoTextError extends Error {
  override readonly name = 'NoTextError'

  constructor() {
    super('StringConverter has no text for bytes: use ByteArrayConverter or JsonConverter')
  }
}

/**
 * `toString` of the value, as `org.apache.kafka.connect.storage.StringConverter` writes it. Null for
 * null.
 *
 * @throws {NoTextError}
 */
export function toConnectText({ schema, value }: ConnectDatum): string | null {
  return schema === null || value === null ? null : textOf(schema, value)
}

function textOf(schema: ConnectSchema, value: ConnectValue): string {
  if (value instanceof Uint8Array) throw new NoTextError()
  if (value === null || typeof value !== 'object') return scalarText(schema, value)
  if (isMap(value)) {
    const entries = [...value].map(([key, item]) => `${key}=${itemText(schema, item)}`)
    return `{${entries.join(', ')}}`
  }
  if (schema.type === 'struct') return structText(schema, value)
  return `[${value.map((item) => itemText(schema, item ?? null)).join(', ')}]`
}

function itemText({ items }: ConnectSchema, value: ConnectValue): string {
  return items === undefined || value === null ? 'null' : textOf(items, value)
}

/** Fields without a value are left out, and those with a default have that. */
function structText(
  { fields = [] }: ConnectSchema,
  values: readonly (ConnectValue | undefined)[],
): string {
  const entries = fields.flatMap(({ name, schema }, index) => {
    const value = values[index] ?? null
    return value === null ? [] : [`${name}=${textOf(schema, value)}`]
  })
  return `Struct{${entries.join(',')}}`
}

function scalarText(
  { type }: ConnectSchema,
  value: null | boolean | number | bigint | string,
): string {
  if (typeof value !== 'number') return String(value)
  if (type === 'float64') return javaDouble(value)
  return type === 'float32' ? javaFloat(value) : String(value)
}

/**
 * Text of a header, as `SimpleHeaderConverter` writes it: bytes in base64, structured values as
 * JSON-like text. Null for null.
 */
export function toHeaderText({ schema, value }: ConnectDatum): string | null {
  return schema === null || value === null ? null : headerTextOf(schema, value, false)
}

function headerTextOf(schema: ConnectSchema, value: ConnectValue, isEmbedded: boolean): string {
  if (value === null) return 'null'
  if (typeof value === 'string') {
    return isEmbedded ? `"${value.replaceAll(/[\\"]/g, String.raw`\$&`)}"` : value
  }
  if (value instanceof Uint8Array) {
    return isEmbedded ? `"${toBase64(value)}"` : toBase64(value)
  }
  if (typeof value !== 'object') return scalarText(schema, value)
  const { items = schema, fields = [] } = schema
  if (isMap(value)) {
    const entries = [...value].map(([key, item]) => `"${key}":${headerTextOf(items, item, true)}`)
    return `{${entries.join(',')}}`
  }
  if (schema.type !== 'struct') {
    return `[${value.map((item) => headerTextOf(items, item ?? null, true)).join(',')}]`
  }
  const entries = fields.map(
    (field, index) => `"${field.name}":${headerTextOf(field.schema, value[index] ?? null, true)}`,
  )
  return `{${entries.join(',')}}`
}
