import { type Datum, defaultDatum, setMember } from '../datum.ts'
import { branchIndex, fits } from '../fits.ts'
import type { AvroSchema, RecordSchema, UnionSchema } from '../schema.ts'

type Members = Readonly<Record<string, Datum>>

/** A value that nests deeper is refused by the encoder, and so is one that holds itself. */
const DEPTH_MAX = 500

/**
 * The value with the defaults of what its records lack, however deep. What is not of the type is left as it is, for the
 * encoder to refuse.
 */
export function withDefaults(schema: AvroSchema, value: Datum, depth = 0): Datum {
  if (depth >= DEPTH_MAX || !fits(schema, value)) return value
  switch (schema.kind) {
    case 'record':
      return filledRecord(schema, value as Members, depth)
    case 'array':
      return (value as readonly Datum[]).map((item) => withDefaults(schema.items, item, depth + 1))
    case 'map':
      return filledMap(schema.values, value as Members, depth)
    case 'union':
      return filledBranch(schema, value, depth)
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'fixed':
    case 'enum':
      return value
  }
}

function filledRecord({ fields }: RecordSchema, value: Members, depth: number): Datum {
  const filled: Record<string, Datum> = {}
  for (const { name, type, defaultValue } of fields) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined
    const isLeftOut = given === undefined && defaultValue !== undefined
    const member = isLeftOut
      ? defaultDatum(type, defaultValue)
      : withDefaults(type, given, depth + 1)
    setMember(filled, name, member)
  }
  return filled
}

function filledMap(values: AvroSchema, value: Members, depth: number): Datum {
  const filled: Record<string, Datum> = {}
  for (const [name, member] of Object.entries(value)) {
    setMember(filled, name, withDefaults(values, member, depth + 1))
  }
  return filled
}

function filledBranch(schema: UnionSchema, value: Datum, depth: number): Datum {
  const index = branchIndex(schema, value)
  const branch = schema.branches[index]
  if (branch === undefined) return value
  const filled = withDefaults(branch, value, depth + 1)
  // With its defaults it could be taken for another record, one that has no default for them.
  return branchIndex(schema, filled) === index ? filled : value
}

/** Whether values of the type may lack something, which a default of a record stands in for. */
export function mayLackFields(schema: AvroSchema, visited: Set<AvroSchema> = new Set()): boolean {
  if (visited.has(schema)) return false
  visited.add(schema)
  switch (schema.kind) {
    case 'record':
      return schema.fields.some(
        ({ type, defaultValue }) => defaultValue !== undefined || mayLackFields(type, visited),
      )
    case 'array':
      return mayLackFields(schema.items, visited)
    case 'map':
      return mayLackFields(schema.values, visited)
    case 'union':
      return schema.branches.some((branch) => mayLackFields(branch, visited))
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'fixed':
    case 'enum':
      return false
  }
}
