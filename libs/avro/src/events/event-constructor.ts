import { errorMessage } from '@fairlead/base'
import { defaultDatum, setMember, timestampOf } from '../datum.ts'
import { isJsNumber } from '../logical-type.ts'
import { parseSchema } from '../parse-schema.ts'
import type { AvroSchema, RecordSchema } from '../schema.ts'
import type { RecordDefinition } from './avro-types.ts'
import type { NewEvent } from './define-events.ts'
import { mayLackFields, withDefaults } from './with-defaults.ts'

/** Where events of a type go, and the field that tells which of them belong together. */
type EventOrigin = { readonly topic: string; readonly key: string; readonly type: string }

/**
 * A function from the data of an event to the event.
 *
 * @throws {TypeError} when the definition is no record of Avro, or its key field has no text of its own.
 */
export function eventConstructor(
  { topic, key, type }: EventOrigin,
  definition: RecordDefinition,
): unknown {
  const where = `${type} of ${topic}`
  const { fields } = parsedRecord(where, definition)
  refuseKey(where, key, fields)
  const namesToFill = new Set(
    fields.flatMap(({ name, type: schema }) => (mayLackFields(schema) ? [name] : [])),
  )
  const construct = (written: Readonly<Record<string, unknown>>): NewEvent => {
    const data: Record<string, unknown> = {}
    for (const { name, type: schema, defaultValue } of fields) {
      const value = Object.hasOwn(written, name) ? written[name] : undefined
      const isLeftOut = value === undefined && defaultValue !== undefined
      if (isLeftOut) setMember(data, name, defaultDatum(schema, defaultValue))
      else setMember(data, name, namesToFill.has(name) ? withDefaults(schema, value) : value)
    }
    return {
      type,
      data,
      key: keyText(data[key] as KeyValue, `${where} lacks ${key}, which is its key`),
      topic,
    }
  }
  return Object.assign(construct, { eventType: type })
}

type KeyValue = string | number | bigint | boolean | null | undefined

/** The types say that there is one; events of a program without them would all have the key "undefined". */
function keyText(value: KeyValue, lack: string): string {
  if (value === undefined || value === null) throw new TypeError(lack)
  return String(value)
}

function parsedRecord(where: string, definition: RecordDefinition): RecordSchema {
  const schema = parsed(where, definition)
  if (schema.kind === 'record') return schema
  throw new TypeError(
    `${where} is a record of Avro: its data has fields, and no ${schema.kind} has`,
  )
}

function parsed(where: string, definition: RecordDefinition): AvroSchema {
  try {
    const text = JSON.stringify(definition, refuseLossy) ?? 'null'
    return parseSchema(text, { mode: 'lenient', checkDefaults: true }).root
  } catch (cause) {
    throw new TypeError(`the schema of ${where} is none: ${errorMessage(cause)}`, { cause })
  }
}

/** Instead of which JSON would have null, or 0. */
function refuseLossy(_name: string, value: unknown): unknown {
  const isLossy = typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
  if (!isLossy) return value
  const text = Object.is(value, -0) ? '-0.0' : String(value)
  throw new TypeError(
    `JSON has no ${text}: the default of a double is written as the text "${text}"`,
  )
}

function refuseKey(where: string, key: string, fields: RecordSchema['fields']): void {
  const field = fields.find(({ name }) => name === key)
  if (field === undefined) {
    throw new TypeError(`${where} has no field ${key}, which is to be its key`)
  }
  if (!isKeyType(field.type)) {
    throw new TypeError(
      `${where}: ${key} is ${expressed(field.type)}, and a key is a text, a number, a boolean or a symbol of an enum, and always there: give the event a field for it`,
    )
  }
}

/** Whether each value has a text that tells it from all others. */
function isKeyType(schema: AvroSchema): boolean {
  switch (schema.kind) {
    case 'string':
    case 'int':
    case 'float':
    case 'double':
    case 'boolean':
    case 'enum':
      return true
    case 'long':
      return timestampOf(schema) === undefined || isJsNumber(schema)
    case 'union':
      return schema.branches.every(isKeyType)
    case 'null':
    case 'bytes':
    case 'fixed':
    case 'array':
    case 'map':
    case 'record':
      return false
  }
}

function expressed(schema: AvroSchema): string {
  if (schema.kind === 'union') return `a union of ${schema.branches.map(expressed).join(', ')}`
  return timestampOf(schema) ?? schema.kind
}
