import type { AvroSchema, JsonValue } from '@fairlead/avro'

const DEPTH_MAX = 20
/** Types that use each other twice at every level would make a default without end. */
const PARTS_MAX = 1_000

/** The plainest default that fits a type: null where it may be; undefined when there is none. */
export function zeroValue(schema: AvroSchema): JsonValue | undefined {
  return zeroOf(schema, 0, { left: PARTS_MAX })
}

type Budget = { left: number }

function zeroOf(schema: AvroSchema, depth: number, budget: Budget): JsonValue | undefined {
  budget.left -= 1
  if (depth > DEPTH_MAX || budget.left < 0) return undefined
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
      // The size is whatever the schema says.
      return schema.sizeBytes > PARTS_MAX
        ? undefined
        : { ...at, kind: 'string', value: '\0'.repeat(schema.sizeBytes) }
    case 'enum': {
      const symbol = schema.defaultSymbol ?? schema.symbols[0]
      return symbol === undefined ? undefined : { ...at, kind: 'string', value: symbol }
    }
    case 'array':
      return { ...at, kind: 'array', items: [] }
    case 'map':
      return { ...at, kind: 'object', members: new Map() }
    case 'union':
      return zeroOfUnion(schema.branches, depth, budget)
    case 'record': {
      const members = new Map<string, JsonValue>()
      for (const field of schema.fields) {
        const value = field.defaultValue ?? zeroOf(field.type, depth + 1, budget)
        if (value === undefined) return undefined
        members.set(field.name, value)
      }
      return { ...at, kind: 'object', members }
    }
  }
}

/** The specification wants a default of the first branch. */
function zeroOfUnion(
  branches: readonly AvroSchema[],
  depth: number,
  budget: Budget,
): JsonValue | undefined {
  const [first] = branches
  return first === undefined ? undefined : zeroOf(first, depth + 1, budget)
}
