import { type AvroSchema, branchOfObject, isJsNumber, logicalTypeOf } from '@fairlead/avro'

const TIMESTAMPS: ReadonlySet<string | undefined> = new Set([
  'timestamp-millis',
  'timestamp-micros',
])

/** Data of an event from the JSON that a projector writes: longs are bigint unless their schema says `number`, times Date, bytes bytes. */
export function dataOfJson(schema: AvroSchema, json: unknown): unknown {
  switch (schema.kind) {
    case 'union':
      return ofUnion(schema.branches, json)
    case 'long':
      if (isJsNumber(schema)) return json
      if (TIMESTAMPS.has(logicalTypeOf(schema))) {
        return typeof json === 'string' ? new Date(json) : json
      }
      return isInteger(json) ? BigInt(json) : json
    case 'bytes':
    case 'fixed':
      return typeof json === 'string' ? bytesOf(json) : json
    case 'array':
      return Array.isArray(json) ? json.map((item) => dataOfJson(schema.items, item)) : json
    case 'map':
      return members(json, (_name, member) => dataOfJson(schema.values, member))
    case 'record':
      return members(json, (name, member) => {
        const field = schema.fields.find((each) => each.name === name)
        return field === undefined ? member : dataOfJson(field.type, member)
      })
    case 'null':
    case 'boolean':
    case 'int':
    case 'string':
    case 'enum':
      return json
    case 'float':
    case 'double':
      return json === 'NaN' || json === 'Infinity' || json === '-Infinity' ? Number(json) : json
  }
}

/**
 * Text stays text, and a number a number, where a branch takes it; else it is the first branch that makes
 * something of it.
 */
function ofUnion(branches: readonly AvroSchema[], json: unknown): unknown {
  const takes = (...kinds: readonly AvroSchema['kind'][]) =>
    branches.some(({ kind }) => kinds.includes(kind))
  const isText = typeof json === 'string' && takes('string')
  const isNumber = typeof json === 'number' && takes('int', 'float', 'double')
  if (json === null || isText || isNumber) return json
  if (isObject(json)) {
    const branch = branchOfObject(branches, json)
    return branch === undefined ? json : dataOfJson(branch, json)
  }
  for (const branch of branches) {
    const data = dataOfJson(branch, json)
    if (data !== json) return data
  }
  return json
}

/**
 * The way back: what a projector takes for the value of an edit. In a union with text, what is a string in JSON is
 * text to it: of longs those beyond 2^53, of doubles those that JSON has not, times and bytes.
 */
export function jsonOfData(data: unknown): unknown {
  if (typeof data === 'bigint') {
    return Number.isSafeInteger(Number(data)) ? Number(data) : data.toString()
  }
  if (typeof data === 'number' && !Number.isFinite(data)) return String(data)
  if (data instanceof Date) return data.toISOString()
  if (data instanceof Uint8Array) return textOf(data)
  if (Array.isArray(data)) return data.map(jsonOfData)
  return isObject(data) ? members(data, (_name, member) => jsonOfData(member)) : data
}

function isInteger(json: unknown): json is number | string {
  return Number.isInteger(json) || (typeof json === 'string' && /^-?\d{1,19}$/.test(json))
}

/** A byte is a character (Avro 1.12, "JSON Encoding"). */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

function members(json: unknown, change: (name: string, member: unknown) => unknown): unknown {
  if (!isObject(json)) return json
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, change(name, value)]),
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
