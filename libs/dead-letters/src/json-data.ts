/** Data of an event from the JSON that a projector writes: longs are bigint, times Date, bytes bytes. */
export function dataOfJson(type: unknown, json: unknown): unknown {
  if (Array.isArray(type)) return ofUnion(type, json)
  if (type === 'long') return isInteger(json) ? BigInt(json) : json
  if (type === 'bytes') return typeof json === 'string' ? bytesOf(json) : json
  if (!isObject(type)) return json
  const { logicalType, items, values, fields } = type
  if (logicalType === 'timestamp-millis' || logicalType === 'timestamp-micros') {
    return typeof json === 'string' ? new Date(json) : json
  }
  switch (type['type']) {
    case 'array':
      return Array.isArray(json) ? json.map((item) => dataOfJson(items, item)) : json
    case 'map':
      return members(json, (_name, member) => dataOfJson(values, member))
    case 'fixed':
      return dataOfJson('bytes', json)
    case 'record':
      return members(json, (name, member) => {
        const known = Array.isArray(fields) ? fields.filter(isObject) : []
        return dataOfJson(known.find((field) => field['name'] === name)?.['type'], member)
      })
    default:
      return dataOfJson(type['type'], json)
  }
}

/** Text stays text where a branch takes it, else it is the first branch that makes something of it. */
function ofUnion(branches: readonly unknown[], json: unknown): unknown {
  if (json === null || (typeof json === 'string' && branches.includes('string'))) return json
  for (const branch of branches) {
    const data = dataOfJson(branch, json)
    if (data !== json) return data
  }
  return json
}

/** The way back: what a projector takes for the value of an edit. */
export function jsonOfData(data: unknown): unknown {
  if (typeof data === 'bigint') return data.toString()
  if (data instanceof Date) return data.toISOString()
  if (data instanceof Uint8Array) return textOf(data)
  if (Array.isArray(data)) return data.map(jsonOfData)
  return isObject(data) ? members(data, (_name, member) => jsonOfData(member)) : data
}

function isInteger(json: unknown): json is number | string {
  return typeof json === 'number' || (typeof json === 'string' && /^-?\d{1,19}$/.test(json))
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
