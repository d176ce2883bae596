import {
  type ConnectDatum,
  type ConnectField,
  type ConnectSchema,
  type ConnectValue,
  OPTIONAL_INT64,
  OPTIONAL_STRING,
  optional,
  required,
  struct,
} from './connect-schema.ts'
import { type JsonTree, parseJsonTree } from './json-tree.ts'

export type ExpandOptions = {
  /** `table.json.payload.null.behavior`: a null leaves no field, or one of type bytes. */
  readonly nulls: 'ignore' | 'optional_bytes'
  /** `table.json.payload.empty.array.behavior`: leaves no field, or an array of strings. */
  readonly emptyArrays: 'ignore' | 'optional_string'
}

const OPTIONAL_BOOLEAN = optional(required('boolean'))
const OPTIONAL_INT32 = optional(required('int32'))
const OPTIONAL_FLOAT64 = optional(required('float64'))
const OPTIONAL_BYTES = optional(required('bytes'))
const INT32_BITS = 32
const INT64_BITS = 64
/**
 * Characters of all names of a schema together. That of an object has those of all around it before it, so that a payload which
 * is nested deeply has much larger ones than it has text.
 */
const NAMES_LENGTH_MAX = 16_777_216

/** The document has no schema in Connect; Debezium then leaves the payload as it is. */
class ExpansionFault extends Error {}

/**
 * Structure instead of JSON text, with a schema that is guessed from the document, as Debezium's
 * `table.expand.json.payload` does: a number is an int32, int64 or float64 by its digits, the
 * elements of an array have one type, and objects in it the fields of all of them. The reason when
 * it cannot be expanded.
 */
export function expandJson(
  name: string,
  text: string,
  options: ExpandOptions,
): ConnectDatum | { readonly fault: string } {
  const tree = parseJsonTree(text)
  if (tree?.kind !== 'object') return { fault: 'the payload is not a JSON object' }
  try {
    const schema = schemaOf(name, tree, { ...options, namesLength: 0 })
    if (schema === null) return { fault: 'the payload is not a JSON object' }
    return { schema, value: valueOf(tree, schema) }
  } catch (error) {
    if (error instanceof ExpansionFault) return { fault: error.message }
    throw error
  }
}

/** Of one document. */
type Expansion = ExpandOptions & {
  /** So far. */
  namesLength: number
}

/** `name` is the path of the value; empty for what stands in an array. */
function schemaOf(name: string, tree: JsonTree, options: Expansion): ConnectSchema | null {
  switch (tree.kind) {
    case 'string':
      return OPTIONAL_STRING
    case 'boolean':
      return OPTIONAL_BOOLEAN
    case 'number':
      return numberSchema(tree.text)
    case 'null':
      return options.nulls === 'optional_bytes' ? OPTIONAL_BYTES : null
    case 'array':
      return arraySchema(name, tree.items, options)
    case 'object': {
      options.namesLength += name.length
      if (options.namesLength > NAMES_LENGTH_MAX) {
        throw new ExpansionFault('the payload is nested too deeply for the names of its schema')
      }
      const fields: ConnectField[] = []
      for (const [key, item] of tree.entries) {
        if (key === '') throw new ExpansionFault('a field has no name')
        const schema = schemaOf(name === '' ? key : `${name}.${key}`, item, options)
        if (schema !== null) fields.push({ name: key, schema })
      }
      // A struct in an array of arrays has no name: Connect allows that.
      return optional(struct(name === '' ? undefined : name, fields))
    }
  }
}

function numberSchema(text: string): ConnectSchema {
  if (!/^-?\d+$/.test(text)) return OPTIONAL_FLOAT64
  const value = BigInt(text)
  if (BigInt.asIntN(INT32_BITS, value) === value) return OPTIONAL_INT32
  if (BigInt.asIntN(INT64_BITS, value) === value) return OPTIONAL_INT64
  throw new ExpansionFault(`${text} is more than an int64`)
}

function arraySchema(
  name: string,
  items: readonly JsonTree[],
  options: Expansion,
): ConnectSchema | null {
  if (items.length === 0) {
    const isKept = options.emptyArrays === 'optional_string'
    return isKept ? { type: 'array', isOptional: true, items: OPTIONAL_STRING } : null
  }
  const element = elementSchema(name, items, options)
  return { type: 'array', isOptional: true, items: element }
}

function elementSchema(
  name: string,
  items: readonly JsonTree[],
  options: Expansion,
): ConnectSchema {
  const [first] = items.filter(({ kind }) => kind !== 'null')
  const others = items.filter(({ kind }) => kind !== 'null' && kind !== first?.kind)
  if (others.length > 0) throw new ExpansionFault(`the elements of array ${name} differ in type`)
  if (first?.kind === 'object') return mergedSchema(name, items, options)
  const schema = schemaOf('', first ?? { kind: 'null' }, options)
  if (schema === null) throw new ExpansionFault(`the elements of array ${name} have no type`)
  if (first?.kind === 'number') {
    for (const item of items) {
      if (item.kind === 'number' && numberSchema(item.text) !== schema) {
        throw new ExpansionFault(`the numbers of array ${name} differ in type`)
      }
    }
  }
  return schema
}

/**
 * The fields of every object of the array; a type stands over the guess that a null gave. When they
 * differ, the merged schema is not optional any more: Debezium has it so.
 */
function mergedSchema(name: string, items: readonly JsonTree[], options: Expansion): ConnectSchema {
  const fields = new Map<string, ConnectField>()
  const shapes = new Set<string>()
  for (const item of items) {
    const schema = item.kind === 'object' ? schemaOf(name, item, options) : null
    if (schema === null) continue
    shapes.add(JSON.stringify(schema))
    for (const field of schema.fields ?? []) {
      const known = fields.get(field.name)
      const isBetter = known?.schema.type === 'bytes' && field.schema.type !== 'bytes'
      if (known === undefined || isBetter) fields.set(field.name, field)
    }
  }
  const merged = struct(name, [...fields.values()])
  return shapes.size > 1 ? merged : optional(merged)
}

function valueOf(tree: JsonTree, schema: ConnectSchema): ConnectValue {
  switch (tree.kind) {
    case 'null':
      return null
    case 'string':
    case 'boolean':
      if (schema.type !== tree.kind) throw mismatch(schema)
      return tree.value
    case 'number':
      if (schema.type !== numberSchema(tree.text).type) throw mismatch(schema)
      return schema.type === 'int64' ? BigInt(tree.text) : Number(tree.text)
    case 'array': {
      const { items } = schema
      if (schema.type !== 'array' || items === undefined) throw mismatch(schema)
      return tree.items.map((item) => valueOf(item, items))
    }
    case 'object':
      if (schema.type !== 'struct') throw mismatch(schema)
      return (schema.fields ?? []).map(({ name, schema: field }) => {
        const item = tree.entries.get(name)
        return item === undefined ? null : valueOf(item, field)
      })
  }
}

/** Connect checks each value against its schema. */
function mismatch({ type }: ConnectSchema): ExpansionFault {
  return new ExpansionFault(`a value is no ${type}, as others in its place are`)
}
