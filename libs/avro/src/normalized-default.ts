import { assertNever } from '@fairlead/base'
import { isValidDefault } from './default-value.ts'
import { sortMembers } from './json/write-json.ts'
import type { JsonValue } from './json/json-value.ts'
import type { AvroSchema } from './schema.ts'

/**
 * A default in the form of its type: a double with a point (`1` → `1.0`), a float with the digits of
 * a float, members sorted. In a union the first branch that takes the value decides.
 */
export function normalizedDefault(schema: AvroSchema, value: JsonValue): JsonValue {
  switch (schema.kind) {
    case 'float':
    case 'double': {
      if (value.kind !== 'integer' && value.kind !== 'decimal') return value
      const isFloat = schema.kind === 'float'
      return { kind: 'decimal', value: Number(value.value), position: value.position, isFloat }
    }
    case 'array':
      if (value.kind !== 'array') return value
      return { ...value, items: value.items.map((item) => normalizedDefault(schema.items, item)) }
    case 'map':
      return normalizedMembers(value, () => schema.values)
    case 'record':
      return normalizedMembers(
        value,
        (name) => schema.fields.find((field) => field.name === name)?.type,
      )
    case 'union': {
      const branch = schema.branches.find((candidate) => isValidDefault(candidate, value))
      return branch === undefined ? value : normalizedDefault(branch, value)
    }
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'bytes':
    case 'string':
    case 'enum':
    case 'fixed':
      return value
    default:
      return assertNever(schema)
  }
}

function normalizedMembers(
  value: JsonValue,
  typeOf: (name: string) => AvroSchema | undefined,
): JsonValue {
  if (value.kind !== 'object') return value
  const members = [...value.members].map(([name, member]) => {
    const type = typeOf(name)
    return [name, type === undefined ? member : normalizedDefault(type, member)] as const
  })
  return sortMembers({ ...value, members: new Map(members) })
}
