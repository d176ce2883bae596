import { type JsonObject, type JsonValue, readJson, writeJson } from '@fairlead/avro'
import { InvalidSchemaError } from '../invalid-schema-error.ts'
import type { Annotated, ArraySchema, Criterion, JsonSchema, ObjectSchema } from './json-schema.ts'
import { Keywords } from './keywords.ts'
import { SchemaDocuments } from './schema-documents.ts'
import { TYPE_KEYWORDS } from './type-keywords.ts'

/** Schema objects, those of references included. */
const NODES_MAX = 100_000

export type JsonSchemaReference = { readonly name: string; readonly text: string }

export type LoadedJsonSchema = { readonly json: JsonValue; readonly root: JsonSchema }

/**
 * Reads a JSON Schema of any draft from 4 to 2020-12. References lead into the text itself or to
 * `references` by their names; nothing is ever fetched.
 *
 * @throws {DecodeError} when the text is not JSON.
 * @throws {InvalidSchemaError} when it is no JSON Schema, or refers to what is not there.
 */
export function loadJsonSchema(
  text: string,
  references: readonly JsonSchemaReference[],
): LoadedJsonSchema {
  const json = readJson(text)
  const documents = new SchemaDocuments(
    json,
    references.map(({ name, text: referenced }) => ({ name, json: readJson(referenced) })),
  )
  return { json, root: new JsonSchemaLoader(documents).load(json) }
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }
type Reference = Mutable<Annotated> & { kind: 'reference'; target?: JsonSchema }

class JsonSchemaLoader {
  readonly #documents: SchemaDocuments
  /** One node for one schema object, which makes recursive schemas finite. */
  readonly #loaded = new Map<JsonValue, JsonSchema>()
  readonly #pending: { readonly node: Reference; readonly to: JsonValue; readonly at: string }[] =
    []
  #nodeCount = 0

  constructor(documents: SchemaDocuments) {
    this.#documents = documents
  }

  load(json: JsonValue): JsonSchema {
    const root = this.#schema(json, '#')
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      next.node.target = this.#schema(next.to, next.at)
    }
    return root
  }

  #schema(json: JsonValue, pointer: string): JsonSchema {
    const loaded = this.#loaded.get(json)
    if (loaded !== undefined) return loaded
    this.#nodeCount += 1
    if (this.#nodeCount > NODES_MAX) throw new InvalidSchemaError('The schema has too many parts')
    const schema = this.#newSchema(json, pointer)
    this.#loaded.set(json, schema)
    return schema
  }

  #newSchema(json: JsonValue, pointer: string): JsonSchema {
    if (json.kind === 'boolean') {
      return { kind: json.value ? 'any' : 'nothing', source: json, hasDefault: false }
    }
    if (json.kind !== 'object') {
      throw new InvalidSchemaError(`${pointer}: a schema is an object or a boolean`)
    }
    const keywords = new Keywords(json, pointer)
    const about: Annotated = { source: json, hasDefault: keywords.has('default') }
    const reference = keywords.text('$ref')
    if (reference !== undefined) return this.#reference(reference, json, about, pointer)
    this.#checkDefinitions(keywords)
    return combined('allOf', this.#parts(keywords, about), about)
  }

  #reference(uri: string, json: JsonObject, about: Annotated, pointer: string): JsonSchema {
    const to = this.#documents.resolve(uri, json)
    if (to === undefined) {
      throw new InvalidSchemaError(
        `${pointer}/$ref: ${uri} is neither in the schema nor among its references`,
      )
    }
    if (to === 'metaschema') return { ...about, kind: 'any' }
    const node: Reference = { ...about, kind: 'reference' }
    this.#pending.push({ node, to, at: uri })
    // `target` is filled before `load` returns.
    return node as JsonSchema
  }

  /** Definitions that nothing refers to must be schemas as well. */
  #checkDefinitions(keywords: Keywords): void {
    for (const name of ['definitions', '$defs']) this.#schemas(keywords, name)
  }

  /** What the keywords demand, each kind on its own. */
  #parts(keywords: Keywords, about: Annotated): JsonSchema[] {
    const parts: JsonSchema[] = []
    const values = keywords.list('enum')
    if (values !== undefined) {
      parts.push({ ...about, kind: 'enum', values: new Set(values.map(writeJson)) })
    }
    for (const criterion of ['allOf', 'anyOf', 'oneOf'] as const) {
      const list = keywords.list(criterion)
      if (list === undefined) continue
      const schemas = list.map((item, index) =>
        this.#schema(item, `${keywords.pointer}/${criterion}/${index}`),
      )
      parts.push({ ...about, kind: 'combined', criterion, parts: schemas })
    }
    const excluded = this.#optional(keywords, 'not')
    if (excluded !== undefined) parts.push({ ...about, kind: 'not', excluded })
    const value = keywords.get('const')
    if (value !== undefined) parts.push({ ...about, kind: 'const', value: writeJson(value) })
    const conditions = ['if', 'then', 'else'].map((name) => this.#optional(keywords, name))
    if (conditions[0] !== undefined) parts.push({ ...about, kind: 'conditional' })
    return [...parts, ...this.#typed(keywords, about)]
  }

  #typed(keywords: Keywords, about: Annotated): JsonSchema[] {
    const type = keywords.get('type')
    if (type === undefined) {
      return TYPE_KEYWORDS.filter(([, names]) => names.some((name) => keywords.has(name))).map(
        ([name]) => this.#ofType(name, keywords, about),
      )
    }
    if (type.kind === 'string') return [this.#ofType(type.value, keywords, about)]
    const names = keywords.textList('type') ?? []
    const parts = names.map((name) => this.#ofType(name, keywords, about))
    return [{ ...about, kind: 'combined', criterion: 'anyOf', parts }]
  }

  #ofType(type: string, keywords: Keywords, about: Annotated): JsonSchema {
    switch (type) {
      case 'null':
      case 'boolean':
        return { ...about, kind: type }
      case 'string':
        return {
          ...about,
          kind: 'string',
          minLength: keywords.count('minLength'),
          maxLength: keywords.count('maxLength'),
          pattern: patternOf(keywords.text('pattern'), keywords.pointer),
        }
      case 'number':
      case 'integer':
        return {
          ...about,
          kind: 'number',
          isInteger: type === 'integer',
          minimum: keywords.number('minimum'),
          maximum: keywords.number('maximum'),
          exclusiveMinimum: keywords.number('exclusiveMinimum'),
          exclusiveMaximum: keywords.number('exclusiveMaximum'),
          multipleOf: keywords.number('multipleOf'),
        }
      case 'object':
        return this.#object(keywords, about)
      case 'array':
        return this.#array(keywords, about)
      default:
        throw new InvalidSchemaError(`${keywords.pointer}/type: unknown type: [${type}]`)
    }
  }

  #object(keywords: Keywords, about: Annotated): ObjectSchema {
    const patternProperties = this.#schemas(keywords, 'patternProperties')
    for (const pattern of patternProperties.keys()) patternOf(pattern, keywords.pointer)
    this.#optional(keywords, 'propertyNames')
    const { requiredWith, schemaWith } = this.#dependencies(keywords)
    const rest = keywords.has('additionalProperties')
      ? 'additionalProperties'
      : 'unevaluatedProperties'
    return {
      ...about,
      kind: 'object',
      properties: this.#schemas(keywords, 'properties'),
      required: new Set(requiredNames(keywords)),
      patternProperties,
      additional: this.#additional(keywords, rest),
      requiredWith,
      schemaWith,
      minProperties: keywords.count('minProperties'),
      maxProperties: keywords.count('maxProperties'),
    }
  }

  #array(keywords: Keywords, about: Annotated): ArraySchema {
    this.#optional(keywords, 'contains')
    const items = keywords.get('items')
    // Draft 2020-12 calls the tuple `prefixItems`, and `items` what comes after it.
    const isLatest = keywords.has('prefixItems')
    const tuple = isLatest ? keywords.list('prefixItems') : items?.kind === 'array' && items.items
    const positions = tuple || []
    const each = items === undefined || items.kind === 'array' || isLatest ? undefined : items
    let rest = isLatest ? 'items' : 'additionalItems'
    if (!keywords.has(rest)) rest = 'unevaluatedItems'
    return {
      ...about,
      kind: 'array',
      items: each === undefined ? undefined : this.#schema(each, `${keywords.pointer}/items`),
      tuple: positions.map((item, index) =>
        this.#schema(item, `${keywords.pointer}/items/${index}`),
      ),
      additional: this.#additional(keywords, rest),
      minItems: keywords.count('minItems'),
      maxItems: keywords.count('maxItems'),
      minContains: keywords.count('minContains'),
      maxContains: keywords.count('maxContains'),
      isUnique: keywords.flag('uniqueItems') ?? false,
    }
  }

  #dependencies(keywords: Keywords): Pick<ObjectSchema, 'requiredWith' | 'schemaWith'> {
    const requiredWith = new Map<string, ReadonlySet<string>>()
    const schemaWith = new Map(this.#schemas(keywords, 'dependentSchemas'))
    for (const keyword of ['dependencies', 'dependentRequired']) {
      const pointer = `${keywords.pointer}/${keyword}`
      for (const [name, value] of keywords.members(keyword)?.members ?? []) {
        if (value.kind !== 'array') {
          schemaWith.set(name, this.#schema(value, `${pointer}/${name}`))
          continue
        }
        const single = new Keywords(
          { ...value, kind: 'object', members: new Map([[name, value]]) },
          pointer,
        )
        requiredWith.set(name, new Set(single.textList(name)))
      }
    }
    return { requiredWith, schemaWith }
  }

  #additional(keywords: Keywords, name: string): JsonSchema | boolean {
    const value = keywords.get(name)
    if (value === undefined) return true
    if (value.kind === 'boolean') return value.value
    return this.#schema(value, `${keywords.pointer}/${name}`)
  }

  #optional(keywords: Keywords, name: string): JsonSchema | undefined {
    const value = keywords.get(name)
    return value === undefined ? undefined : this.#schema(value, `${keywords.pointer}/${name}`)
  }

  #schemas(keywords: Keywords, keyword: string): Map<string, JsonSchema> {
    const members = keywords.members(keyword)?.members ?? new Map<string, JsonValue>()
    return new Map(
      [...members].map(([name, value]) => [
        name,
        this.#schema(value, `${keywords.pointer}/${keyword}/${name}`),
      ]),
    )
  }
}

function combined(
  criterion: Criterion,
  parts: readonly JsonSchema[],
  about: Annotated,
): JsonSchema {
  const [first, ...others] = parts
  if (first === undefined) return { ...about, kind: 'any' }
  return others.length === 0 ? first : { ...about, kind: 'combined', criterion, parts }
}

/** Draft 3 wrote `"required": true` into the property; nobody means the list by it. */
function requiredNames(keywords: Keywords): readonly string[] {
  if (keywords.get('required')?.kind === 'boolean') return []
  return keywords.textList('required') ?? []
}

function patternOf(pattern: string | undefined, pointer: string): string | undefined {
  if (pattern === undefined) return undefined
  try {
    void new RegExp(pattern, 'u')
  } catch {
    try {
      // Java takes escapes that the Unicode mode does not.
      void new RegExp(pattern)
    } catch {
      throw new InvalidSchemaError(`${pointer}/pattern: ${pattern} is not a regular expression`)
    }
  }
  return pattern
}
