import type { JsonValue } from './json/json-value.ts'
import type { AvroSchema } from './schema.ts'

/** Logical type → kinds of Avro 1.12 that it may annotate without further attributes. */
const PLAIN_LOGICAL_TYPES: Readonly<Record<string, AvroSchema['kind']>> = {
  date: 'int',
  'time-millis': 'int',
  'time-micros': 'long',
  'timestamp-millis': 'long',
  'timestamp-micros': 'long',
  'timestamp-nanos': 'long',
  'local-timestamp-millis': 'long',
  'local-timestamp-micros': 'long',
  'local-timestamp-nanos': 'long',
  'big-decimal': 'bytes',
}
const UUID_BYTES = 16
const DURATION_BYTES = 12

/**
 * Names of the attributes that a valid logical type gives to `schema`, in Avro's order; empty when
 * there is none. An annotation on the wrong type is an ordinary property (Avro 1.12, "Logical Types").
 */
export function logicalAttributes(schema: AvroSchema): readonly string[] {
  const annotation = schema.properties.get('logicalType')
  if (annotation?.kind !== 'string') return []
  const logicalType = annotation.value
  if (logicalType === 'decimal') return decimalAttributes(schema)
  return isValid(logicalType, schema) ? ['logicalType'] : []
}

/** The valid logical type of `schema`; undefined when there is none. */
export function logicalTypeOf(schema: AvroSchema): string | undefined {
  if (logicalAttributes(schema).length === 0) return undefined
  const annotation = schema.properties.get('logicalType')
  return annotation?.kind === 'string' ? annotation.value : undefined
}

/** Whether a long is a number where it is read, and not a bigint: as its schema says, of all that it will hold. */
export function isJsNumber(schema: AvroSchema): boolean {
  const js = schema.properties.get('js')
  return schema.kind === 'long' && js?.kind === 'string' && js.value === 'number'
}

function isValid(logicalType: string, schema: AvroSchema): boolean {
  if (logicalType === 'uuid') {
    return schema.kind === 'string' || (schema.kind === 'fixed' && schema.sizeBytes === UUID_BYTES)
  }
  if (logicalType === 'duration') {
    return schema.kind === 'fixed' && schema.sizeBytes === DURATION_BYTES
  }
  return (
    Object.hasOwn(PLAIN_LOGICAL_TYPES, logicalType) &&
    PLAIN_LOGICAL_TYPES[logicalType] === schema.kind
  )
}

function decimalAttributes(schema: AvroSchema): readonly string[] {
  const precision = integerOf(schema.properties.get('precision'))
  const scale = integerOf(schema.properties.get('scale')) ?? 0
  if (precision === undefined || precision <= 0 || scale < 0 || scale > precision) return []
  if (schema.kind === 'fixed') {
    const precisionMax = Math.floor(Math.log10(2) * (8 * schema.sizeBytes - 1))
    if (precision > precisionMax) return []
  } else if (schema.kind !== 'bytes') {
    return []
  }
  return scale === 0 ? ['logicalType', 'precision'] : ['logicalType', 'precision', 'scale']
}

function integerOf(value: JsonValue | undefined): number | undefined {
  return value?.kind === 'integer' ? Number(value.value) : undefined
}
