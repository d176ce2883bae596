import { toBase64 } from './base64.ts'
import type { ConnectDatum, ConnectSchema, ConnectValue } from './connect-schema.ts'
import { jsonObjectEntries } from '../json-object-entries.ts'
import { javaDouble, javaFloat } from './java-number.ts'

const TYPE_NAMES: Readonly<Partial<Record<ConnectSchema['type'], string>>> = {
  float32: 'float',
  float64: 'double',
}

/** Schemas are few and their objects live as long as a table's definition does. */
const SCHEMA_TEXTS = new WeakMap<ConnectSchema, string>()

/**
 * The text that `org.apache.kafka.connect.json.JsonConverter` writes, byte by byte: the value, or
 * with `schemas.enable` both of `{"schema":…,"payload":…}`. Null for a tombstone.
 */
export function toConnectJson(datum: ConnectDatum, hasSchemas: boolean): string | null {
  if (datum.schema === null) return null
  const payload = jsonOf(datum.schema, datum.value)
  if (!hasSchemas) return payload
  return `{"schema":${schemaText(datum.schema)},"payload":${payload}}`
}

/**
 * The text of a scalar that `toConnectJson` wrote, with its schema or without; undefined when it is
 * another value, or no JSON.
 */
export function scalarTextOf(json: string): string | undefined {
  const payload = jsonObjectEntries(json)?.find(([name]) => name === 'payload')?.[1] ?? json
  try {
    const value: unknown = JSON.parse(payload)
    if (typeof value === 'string') return value
    // As it is written: a number may have more digits than a double.
    return typeof value === 'object' ? undefined : payload
  } catch {
    return undefined
  }
}

function schemaText(schema: ConnectSchema): string {
  const known = SCHEMA_TEXTS.get(schema)
  if (known !== undefined) return known
  const parts: string[] = []
  writeSchema(parts, schema, '')
  const text = parts.join('')
  SCHEMA_TEXTS.set(schema, text)
  return text
}

/** Part by part: of a schema that is nested deeply, text that is put together level by level would be copied as often. */
function writeSchema(parts: string[], schema: ConnectSchema, behind: string): void {
  const { type, fields, items, name, version, doc, parameters } = schema
  parts.push(`{"type":"${TYPE_NAMES[type] ?? type}"`)
  if (items !== undefined) {
    if (type === 'map') parts.push(',"keys":{"type":"string","optional":false}')
    parts.push(`,"${type === 'map' ? 'values' : 'items'}":`)
    writeSchema(parts, items, '')
  }
  if (fields !== undefined) {
    parts.push(',"fields":[')
    for (const [index, field] of fields.entries()) {
      if (index > 0) parts.push(',')
      writeSchema(parts, field.schema, `,"field":${jsonString(field.name)}`)
    }
    parts.push(']')
  }
  parts.push(`,"optional":${schema.isOptional}`)
  if (name !== undefined) parts.push(`,"name":${jsonString(name)}`)
  if (version !== undefined) parts.push(`,"version":${version}`)
  if (doc !== undefined) parts.push(`,"doc":${jsonString(doc)}`)
  if (parameters !== undefined) parts.push(`,"parameters":${parametersJson(parameters)}`)
  const { defaultValue = null } = schema
  if (defaultValue !== null) parts.push(`,"default":${jsonOf(schema, defaultValue)}`)
  parts.push(behind, '}')
}

function parametersJson(parameters: Readonly<Record<string, string>>): string {
  const entries = Object.entries(parameters)
  return `{${entries.map(([key, text]) => `${jsonString(key)}:${jsonString(text)}`).join(',')}}`
}

/** Jackson writes the digits of an escape in upper case. */
function jsonString(text: string): string {
  const json = JSON.stringify(text)
  if (!json.includes(String.raw`\u`)) return json
  return json.replaceAll(/\\(?:u([0-9a-f]{4})|.)/g, (escape, digits: string | undefined) =>
    digits === undefined ? escape : String.raw`\u` + digits.toUpperCase(),
  )
}

function jsonOf(schema: ConnectSchema, value: ConnectValue): string {
  // `replace.null.with.default` is on unless somebody turns it off.
  if (value === null) {
    const { defaultValue } = schema
    return defaultValue === undefined || defaultValue === null
      ? 'null'
      : jsonOf(schema, defaultValue)
  }
  if (typeof value === 'string') return jsonString(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return numberJson(schema, value)
  if (value instanceof Uint8Array) return `"${toBase64(value)}"`
  if (isMap(value)) return mapJson(schema, value)
  return schema.type === 'struct' ? structJson(schema, value) : arrayJson(schema, value)
}

/** Jackson quotes what is no number in JSON. */
function numberJson({ type }: ConnectSchema, value: number): string {
  if (type !== 'float64' && type !== 'float32') return String(value)
  const text = type === 'float64' ? javaDouble(value) : javaFloat(value)
  return Number.isFinite(value) ? text : `"${text}"`
}

function structJson(schema: ConnectSchema, values: readonly (ConnectValue | undefined)[]): string {
  const entries = (schema.fields ?? []).flatMap((field, index) => {
    const value = values[index]
    return value === undefined ? [] : [`${jsonString(field.name)}:${jsonOf(field.schema, value)}`]
  })
  return `{${entries.join(',')}}`
}

function arrayJson(
  { items }: ConnectSchema,
  values: readonly (ConnectValue | undefined)[],
): string {
  if (items === undefined) return '[]'
  return `[${values.map((value) => jsonOf(items, value ?? null)).join(',')}]`
}

function mapJson({ items }: ConnectSchema, map: ReadonlyMap<string, ConnectValue>): string {
  if (items === undefined) return '{}'
  const entries = [...map].map(([key, value]) => `${jsonString(key)}:${jsonOf(items, value)}`)
  return `{${entries.join(',')}}`
}

export function isMap(value: ConnectValue): value is ReadonlyMap<string, ConnectValue> {
  return value instanceof Map
}
