/**
 * The value that a field's `default` stands for. Defaults are JSON in a schema, so longs are written
 * as numbers and bytes as text of code points 0 to 255 (Avro 1.12, "Complex Types", "Records"); a
 * default of a union is one of its first branch.
 */
export function defaultValue(type: unknown, json: unknown): unknown {
  if (Array.isArray(type)) return defaultValue(type[0], json)
  if (typeof type === 'string') return ofPrimitive(type, json)
  if (!isObject(type)) return json
  if (type['logicalType'] === 'timestamp-millis') return dateOfMillis(Number(json))
  if (type['logicalType'] === 'timestamp-micros') return dateOfMillis(Number(json) / 1000)
  switch (type['type']) {
    case 'record':
      return ofRecord(type['fields'], json)
    case 'array':
      return Array.isArray(json) ? json.map((item) => defaultValue(type['items'], item)) : json
    case 'map':
      return isObject(json)
        ? Object.fromEntries(
            Object.entries(json).map(([key, value]) => [key, defaultValue(type['values'], value)]),
          )
        : json
    case 'fixed':
      return ofPrimitive('bytes', json)
    default:
      return defaultValue(type['type'], json)
  }
}

function ofPrimitive(type: string, json: unknown): unknown {
  if (type === 'long' && typeof json === 'number') return BigInt(json)
  if (type === 'bytes' && typeof json === 'string') {
    return Uint8Array.from(json, (character) => character.charCodeAt(0))
  }
  return json
}

function ofRecord(fields: unknown, json: unknown): unknown {
  if (!Array.isArray(fields) || !isObject(json)) return json
  return Object.fromEntries(
    fields
      .filter(isObject)
      .map((field) => [
        field['name'],
        defaultValue(field['type'], json[String(field['name'])] ?? field['default']),
      ]),
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function dateOfMillis(millis: number): Date {
  // A conversion, not a clock: the same number gives the same value.
  // oxlint-disable-next-line no-restricted-globals
  return new Date(millis)
}
