import type { AvroSchema, JsonValue } from '@fairlead/avro'

const DEPTH_MAX = 20

/** The plainest default that fits a type: null where it may be; undefined when there is none. */
export function zeroValue(schema: AvroSchema, depth = 0): JsonValue | undefined {
  if (depth > DEPTH_MAX) return undefined
  const at = { position: 0 }
  switch (schema.kind) {
    case 'null':
      return { ...at, kind: 'null' }
    case 'boolean':
      return { ...at, kind: 'boolean', value: false }
    case 'int':
    case 'long':
      return { ...at, kind: 'integer', value: 0n }
    case 'float':
    case 'double':
      return { ...at, kind: 'decimal', value: 0 }
    case 'string':
    case 'bytes':
      return { ...at, kind: 'string', value: '' }
    case 'fixed':
      return { ...at, kind: 'string', value: '\0'.repeat(schema.sizeBytes) }
    case 'enum': {
      const symbol = schema.defaultSymbol ?? schema.symbols[0]
      return symbol === undefined ? undefined : { ...at, kind: 'string', value: symbol }
    }
    case 'array':
      return { ...at, kind: 'array', items: [] }
    case 'map':
      return { ...at, kind: 'object', members: new Map() }
    case 'union':
      return zeroOfUnion(schema.branches, depth)
    case 'record': {
      const members = new Map<string, JsonValue>()
      for (const field of schema.fields) {
        const value = field.defaultValue ?? zeroValue(field.type, depth + 1)
        if (value === undefined) return undefined
        members.set(field.name, value)
      }
      return { ...at, kind: 'object', members }
    }
  }
}

/** The specification wants a default of the first branch. */
function zeroOfUnion(branches: readonly AvroSchema[], depth: number): JsonValue | undefined {
  const [first] = branches
  return first === undefined ? undefined : zeroValue(first, depth + 1)
}
