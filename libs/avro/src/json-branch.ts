import { hasFields } from './fits.ts'
import type { AvroSchema } from './schema.ts'

type Members = Readonly<Record<string, unknown>>

/**
 * The branch of a union that an object of JSON is a value of, where it is written as people write it: unions
 * without the name of their branch, longs and times as numbers or text. It is the first one whose fields
 * fit by name and by the outside of their values, or else by name.
 */
export function branchOfObject(
  branches: readonly AvroSchema[],
  json: Members,
): AvroSchema | undefined {
  const containers = branches.filter(({ kind }) => kind === 'record' || kind === 'map')
  const named = containers.filter((branch) => branch.kind !== 'record' || hasFields(branch, json))
  return named.find((branch) => holds(branch, json)) ?? named[0] ?? containers[0]
}

/** No deeper than the members: types that nest within each other would double the work with each level. */
function holds(schema: AvroSchema, json: Members): boolean {
  if (schema.kind === 'map')
    return Object.values(json).every((value) => mayBe(schema.values, value))
  if (schema.kind !== 'record') return false
  return schema.fields.every(
    ({ name, type }) => !Object.hasOwn(json, name) || mayBe(type, json[name]),
  )
}

function mayBe(schema: AvroSchema, json: unknown): boolean {
  switch (schema.kind) {
    case 'null':
      return json === null
    case 'boolean':
      return typeof json === 'boolean'
    case 'int':
    case 'float':
    case 'double':
      return typeof json === 'number'
    case 'long':
      return typeof json === 'number' || typeof json === 'string'
    case 'string':
    case 'bytes':
    case 'fixed':
      return typeof json === 'string'
    case 'enum':
      return typeof json === 'string' && schema.symbols.includes(json)
    case 'array':
      return Array.isArray(json)
    case 'map':
    case 'record':
      return typeof json === 'object' && json !== null && !Array.isArray(json)
    case 'union':
      return schema.branches.some((branch) => mayBe(branch, json))
  }
}
