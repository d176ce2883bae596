import { assertNever } from '@fairlead/base'
import { type AvroSchema, type Datum, timestampOf } from '@fairlead/avro'

/** What would fit, in words. */
export function expectation(schema: AvroSchema): string {
  switch (schema.kind) {
    case 'record':
      return `record ${schema.name.fullName} with the fields ${schema.fields.map(({ name }) => name).join(', ')}`
    case 'enum':
      return `one of ${schema.symbols.join(', ')}`
    case 'fixed':
      return `Uint8Array of ${schema.sizeBytes} bytes`
    case 'long':
      return timestampOf(schema) ?? 'long'
    case 'null':
    case 'boolean':
    case 'int':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'array':
    case 'map':
    case 'union':
      return schema.kind
    default:
      return assertNever(schema)
  }
}

/** The type of a value and no more: it may be a person's data, and errors end up in logs. */
export function show(value: Datum): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date'
  if (value instanceof Map || value instanceof Set)
    return `a ${value.constructor.name} of JavaScript`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'object') {
    const members = Object.keys(value).map((name) => (name === '' ? '""' : name))
    return members.length === 0
      ? 'an empty object'
      : `an object with the members ${members.join(', ')}`
  }
  return value === undefined ? 'a missing value' : `a ${typeof value}`
}
