import { type AvroSchema, type JsonValue, isNamed } from '@fairlead/avro'
import { zeroValue } from './zero-value.ts'

const DEPTH_MAX = 20
const PARTS_MAX = 1_000

/**
 * A datum of `schema` in Avro's JSON encoding, as plain as can be, that leads to `towards`: branches
 * and items are chosen so that it holds a value of that type.
 */
export function sampleDatum(
  schema: AvroSchema,
  towards: { readonly schema: AvroSchema; readonly symbol?: string },
): JsonValue | undefined {
  return new Sampler(towards).datum(schema, 0)
}

class Sampler {
  readonly #towards: { readonly schema: AvroSchema; readonly symbol?: string }
  readonly #reaching = new Map<AvroSchema, boolean>()
  #partsLeft = PARTS_MAX

  constructor(towards: { readonly schema: AvroSchema; readonly symbol?: string }) {
    this.#towards = towards
  }

  datum(schema: AvroSchema, depth: number): JsonValue | undefined {
    this.#partsLeft -= 1
    if (depth > DEPTH_MAX || this.#partsLeft < 0) return undefined
    const at = { position: 0 }
    const { schema: goal, symbol } = this.#towards
    if (schema === goal && symbol !== undefined) return { ...at, kind: 'string', value: symbol }
    switch (schema.kind) {
      case 'int':
      case 'long':
        return { ...at, kind: 'integer', value: 1n }
      case 'float':
      case 'double':
        return { ...at, kind: 'decimal', value: 1.5 }
      case 'string':
        return { ...at, kind: 'string', value: 'text' }
      case 'array': {
        const item = this.#reaches(schema.items) ? this.datum(schema.items, depth + 1) : undefined
        return { ...at, kind: 'array', items: item === undefined ? [] : [item] }
      }
      case 'map': {
        const value = this.#reaches(schema.values)
          ? this.datum(schema.values, depth + 1)
          : undefined
        const members = new Map(value === undefined ? [] : [['key', value] as const])
        return { ...at, kind: 'object', members }
      }
      case 'union':
        return this.#ofUnion(schema.branches, depth)
      case 'record': {
        const members = new Map<string, JsonValue>()
        for (const field of schema.fields) {
          const value = this.datum(field.type, depth + 1)
          if (value === undefined) return undefined
          members.set(field.name, value)
        }
        return { ...at, kind: 'object', members }
      }
      case 'null':
      case 'boolean':
      case 'bytes':
      case 'fixed':
      case 'enum':
        return zeroValue(schema)
    }
  }

  #ofUnion(branches: readonly AvroSchema[], depth: number): JsonValue | undefined {
    const branch = branches.find((one) => this.#reaches(one)) ?? branches[0]
    if (branch === undefined) return undefined
    const value = this.datum(branch, depth + 1)
    if (value === undefined || branch.kind === 'null') return value
    const name = isNamed(branch) ? branch.name.fullName : branch.kind
    return { kind: 'object', members: new Map([[name, value]]), position: 0 }
  }

  #reaches(schema: AvroSchema): boolean {
    if (schema === this.#towards.schema) return true
    const known = this.#reaching.get(schema)
    if (known !== undefined) return known
    // While it is being looked at, a recursive type does not lead out of itself.
    this.#reaching.set(schema, false)
    const found = partsOf(schema).some((part) => this.#reaches(part))
    this.#reaching.set(schema, found)
    return found
  }
}

function partsOf(schema: AvroSchema): readonly AvroSchema[] {
  if (schema.kind === 'record') return schema.fields.map(({ type }) => type)
  if (schema.kind === 'array') return [schema.items]
  if (schema.kind === 'map') return [schema.values]
  return schema.kind === 'union' ? schema.branches : []
}
