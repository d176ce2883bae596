import { invariant } from '@fairlead/base'
import { canonicalTextOf } from './canonical-text.ts'
import { type CheckedDefaults, isValidDefault } from './default-value.ts'
import type { JsonObject, JsonValue } from './json/json-value.ts'
import { readJson } from './json/read-json.ts'
import { writeJson } from './json/write-json.ts'
import { fullNameOf, nameProblem } from './names.ts'
import { checkNesting } from './nesting.ts'
import {
  type AvroSchema,
  type EnumSchema,
  type FieldOrder,
  type FixedSchema,
  type FullName,
  type NamedSchema,
  type RecordField,
  type RecordSchema,
  type UnionSchema,
  isNamed,
  isPrimitiveKind,
} from './schema.ts'
import { SchemaError } from './schema-error.ts'

/**
 * - `strict` is what a new schema must satisfy: Avro 1.12, as in Confluent 8.
 * - `version-7` is the same for Avro 1.11, as in Confluent 7: names may have any letters, namespaces
 *   are not checked, a type is defined before it is used, and once.
 * - `lenient` reads what any registry took in before: the sum of both, whatever the defaults are.
 */
export type ParseMode = 'strict' | 'version-7' | 'lenient'

export type ParseOptions = {
  readonly mode: ParseMode
  /**
   * Whether defaults must fit their types. By default only in mode `strict`: Confluent 7 looks at
   * them when it normalizes or is told to (`avro.validate.defaults`).
   */
  readonly checkDefaults?: boolean
  /** Schemas whose named types the text may use, each after those that it uses itself. */
  readonly references?: readonly ReferencedSchema[]
}

export type ReferencedSchema = { readonly name: string; readonly text: string }

export type ParsedSchema = {
  readonly root: AvroSchema
  /** Full names of the types that came from references. They are no part of the canonical text. */
  readonly externalNames: ReadonlySet<string>
}

/** Sum of definitions and uses of types, references included. */
const NODES_MAX = 200_000

/**
 * Parses schema text with all that Avro demands of it.
 *
 * A type may be used before its definition, and may be defined again in the same words (both since
 * Avro 1.12).
 *
 * @throws {DecodeError} when the text is not JSON.
 * @throws {SchemaError} when it is not an Avro schema.
 */
export function parseSchema(text: string, options: ParseOptions): ParsedSchema {
  const parser = new SchemaParser(options)
  for (const reference of options.references ?? []) {
    parser.parse(readJson(reference.text), `${reference.name}#`)
  }
  const externalNames = new Set(parser.definedNames())
  return { root: parser.parse(readJson(text), ''), externalNames }
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/** Where a type goes once it is known. */
type Slot = (schema: AvroSchema) => void

type PendingUse = { readonly fullName: string; readonly pointer: string; readonly slot: Slot }

type Scope = {
  readonly pointer: string
  /** Namespace of the enclosing definition. */
  readonly namespace: string | undefined
  readonly slot: Slot
}

const ORDERS: readonly string[] = ['ascending', 'descending', 'ignore'] satisfies FieldOrder[]

const TYPE_ATTRIBUTES: readonly string[] = [
  'type',
  'name',
  'namespace',
  'doc',
  'aliases',
  'fields',
  'items',
  'values',
  'symbols',
  'size',
]
const ENUM_ATTRIBUTES = [...TYPE_ATTRIBUTES, 'default']
const FIELD_ATTRIBUTES = ['name', 'type', 'doc', 'default', 'order', 'aliases']

class SchemaParser {
  readonly #mode: ParseMode
  readonly #checksDefaults: boolean
  readonly #definitions = new Map<string, NamedSchema>()
  #pendingUses: PendingUse[] = []
  #redefinitions: NamedSchema[] = []
  #unions: UnionSchema[] = []
  #fieldsWithDefault: RecordField[] = []
  #nodeCount = 0

  constructor({ mode, checkDefaults }: ParseOptions) {
    this.#mode = mode
    this.#checksDefaults = checkDefaults ?? mode === 'strict'
  }

  definedNames(): Iterable<string> {
    return this.#definitions.keys()
  }

  parse(json: JsonValue, pointer: string): AvroSchema {
    const external = [...this.#definitions.values()]
    let root: AvroSchema | undefined
    const slot: Slot = (schema) => {
      root = schema
    }
    this.#type(json, { pointer, namespace: undefined, slot })
    this.#resolvePendingUses()
    invariant(root !== undefined, 'every slot is filled once all names are resolved')
    checkNesting(root, external)
    this.#checkRedefinitions()
    this.#checkUnions()
    if (this.#checksDefaults) this.#checkDefaults()
    return root
  }

  #type(json: JsonValue, scope: Scope): void {
    this.#nodeCount += 1
    if (this.#nodeCount > NODES_MAX)
      throw new SchemaError('Schema has too many types', scope.pointer)
    if (json.kind === 'string') this.#use(json.value, scope)
    else if (json.kind === 'object') this.#object(json, scope)
    else if (json.kind === 'array') this.#union(json.items, scope)
    else throw new SchemaError(`Schema not yet supported: ${writeJson(json)}`, scope.pointer)
  }

  #use(name: string, { pointer, namespace, slot }: Scope): void {
    if (isPrimitiveKind(name)) {
      slot({ kind: name, pointer, properties: new Map() })
      return
    }
    const { fullName } = fullNameOf(name, namespace)
    const schema = this.#definitions.get(fullName) ?? this.#definitions.get(name)
    if (schema !== undefined) slot(schema)
    else if (this.#mode === 'version-7') throw undefinedName(fullName, pointer)
    else this.#pendingUses.push({ fullName, pointer, slot })
  }

  #object(json: JsonObject, scope: Scope): void {
    const { pointer, slot } = scope
    const type = requiredText(json, 'type', 'No type', pointer)
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(json, scope)
      case 'enum':
        return this.#enum(json, scope)
      case 'fixed':
        return this.#fixed(json, scope)
      case 'array':
        return this.#container(json, { kind: 'array', part: 'items' }, scope)
      case 'map':
        return this.#container(json, { kind: 'map', part: 'values' }, scope)
      default:
        if (!isPrimitiveKind(type)) return this.#use(type, scope)
        return slot({
          kind: type,
          pointer,
          properties: this.#properties(json, TYPE_ATTRIBUTES, pointer),
        })
    }
  }

  #record(json: JsonObject, scope: Scope): void {
    const { pointer } = scope
    const head = this.#named(json, TYPE_ATTRIBUTES, scope)
    const fields: RecordField[] = []
    const isError = json.members.get('type')?.kind === 'string' && textOf(json, 'type') === 'error'
    const schema: RecordSchema = { kind: 'record', ...head, isError, fields }
    this.#define(schema, scope)

    const declared = json.members.get('fields')
    if (declared?.kind !== 'array')
      throw new SchemaError(`Record has no fields: ${excerpt(json)}`, pointer)
    const names = new Set<string>()
    for (const [index, field] of declared.items.entries()) {
      const fieldPointer = `${pointer}/fields/${index}`
      const parsed = this.#field(field, fieldPointer, head.name.namespace)
      if (names.has(parsed.name)) {
        throw new SchemaError(
          `Duplicate field ${parsed.name} in record ${head.name.fullName}`,
          fieldPointer,
        )
      }
      names.add(parsed.name)
      fields.push(parsed)
    }
  }

  #field(json: JsonValue, pointer: string, namespace: string | undefined): RecordField {
    if (json.kind !== 'object') throw new SchemaError(`No field name: ${excerpt(json)}`, pointer)
    const name = requiredText(json, 'name', 'No field name', pointer)
    this.#checkName(name, pointer)
    const type = json.members.get('type')
    if (type === undefined) throw new SchemaError(`No field type: ${excerpt(json)}`, pointer)

    const field: Omit<Mutable<RecordField>, 'type'> & { type?: AvroSchema } = {
      pointer,
      properties: this.#properties(json, FIELD_ATTRIBUTES, pointer),
      name,
      doc: textOf(json, 'doc'),
      defaultValue: json.members.get('default'),
      order: fieldOrder(json, pointer),
      aliases: aliasTexts(json, pointer),
    }
    const slot: Slot = (schema) => {
      field.type = schema
      field.defaultValue = numberFromText(schema, field.defaultValue)
    }
    this.#type(type, { pointer: `${pointer}/type`, namespace, slot })
    // `type` is filled before `parse` returns: pending uses are resolved or refused by then.
    const complete = field as RecordField
    if (complete.defaultValue !== undefined) this.#fieldsWithDefault.push(complete)
    return complete
  }

  #enum(json: JsonObject, scope: Scope): void {
    const { pointer } = scope
    const head = this.#named(json, ENUM_ATTRIBUTES, scope)
    const declared = json.members.get('symbols')
    if (declared?.kind !== 'array')
      throw new SchemaError(`Enum has no symbols: ${excerpt(json)}`, pointer)
    const symbols = declared.items.map((item, index) => {
      const symbol = item.kind === 'string' ? item.value : writeJson(item)
      this.#checkName(symbol, `${pointer}/symbols/${index}`)
      return symbol
    })
    const duplicate = firstDuplicate(symbols)
    if (duplicate !== undefined) {
      throw new SchemaError(`Duplicate enum symbol: ${duplicate}`, `${pointer}/symbols`)
    }
    const defaultSymbol = textOf(json, 'default')
    if (defaultSymbol !== undefined && !symbols.includes(defaultSymbol)) {
      throw new SchemaError(
        `The Enum Default: ${defaultSymbol} is not in the enum symbol set: [${symbols.join(', ')}]`,
        `${pointer}/default`,
      )
    }
    const schema: EnumSchema = { kind: 'enum', ...head, symbols, defaultSymbol }
    this.#define(schema, scope)
  }

  #fixed(json: JsonObject, scope: Scope): void {
    const head = this.#named(json, TYPE_ATTRIBUTES, scope)
    const size = json.members.get('size')
    if (size?.kind !== 'integer' || size.value < 0n || size.value > 2n ** 31n - 1n) {
      throw new SchemaError(`Invalid or no size: ${excerpt(json)}`, scope.pointer)
    }
    const schema: FixedSchema = { kind: 'fixed', ...head, sizeBytes: Number(size.value) }
    this.#define(schema, scope)
  }

  #container(
    json: JsonObject,
    { kind, part }: { kind: 'array'; part: 'items' } | { kind: 'map'; part: 'values' },
    { pointer, namespace, slot }: Scope,
  ): void {
    const inner = json.members.get(part)
    if (inner === undefined) {
      throw new SchemaError(
        `${kind === 'array' ? 'Array has no items' : 'Map has no values'} type: ${excerpt(json)}`,
        pointer,
      )
    }
    const properties = this.#properties(json, TYPE_ATTRIBUTES, pointer)
    const container: Record<string, unknown> = { kind, pointer, properties }
    this.#type(inner, {
      pointer: `${pointer}/${part}`,
      namespace,
      slot: (schema) => {
        container[part] = schema
      },
    })
    slot(container as AvroSchema)
  }

  #union(items: readonly JsonValue[], { pointer, namespace, slot }: Scope): void {
    const branches: AvroSchema[] = []
    const schema: UnionSchema = { kind: 'union', pointer, properties: new Map(), branches }
    for (const [index, item] of items.entries()) {
      const fill: Slot = (branch) => {
        branches[index] = branch
      }
      this.#type(item, { pointer: `${pointer}/${index}`, namespace, slot: fill })
    }
    this.#unions.push(schema)
    slot(schema)
  }

  #named(
    json: JsonObject,
    attributes: readonly string[],
    { pointer, namespace }: Scope,
  ): Pick<NamedSchema, 'pointer' | 'properties' | 'name' | 'aliases' | 'doc'> {
    const text = requiredText(json, 'name', 'No name in schema', pointer)
    const name = fullNameOf(text, textOf(json, 'namespace') ?? namespace)
    this.#checkFullName(name, pointer)
    return {
      pointer,
      properties: this.#properties(json, attributes, pointer),
      name,
      aliases: aliasTexts(json, pointer).map((alias) => fullNameOf(alias, name.namespace)),
      doc: textOf(json, 'doc'),
    }
  }

  #define(schema: NamedSchema, { slot }: Scope): void {
    const defined = this.#definitions.get(schema.name.fullName)
    if (defined === undefined) this.#definitions.set(schema.name.fullName, schema)
    else if (this.#mode === 'version-7') throw redefinition(schema)
    else this.#redefinitions.push(schema)
    slot(defined ?? schema)
  }

  #resolvePendingUses(): void {
    for (const { fullName, pointer, slot } of this.#pendingUses) {
      const schema = this.#definitions.get(fullName)
      if (schema === undefined) throw undefinedName(fullName, pointer)
      slot(schema)
    }
    this.#pendingUses = []
  }

  #checkRedefinitions(): void {
    for (const schema of this.#redefinitions) {
      const defined = this.#definitions.get(schema.name.fullName)
      invariant(defined !== undefined, 'a redefinition has a definition before it')
      const [first, second] = [defined, schema].map((root) => canonicalTextOf(root, 'definition'))
      if (first !== second) throw redefinition(schema)
    }
    this.#redefinitions = []
  }

  #checkUnions(): void {
    for (const { branches, pointer } of this.#unions) {
      if (branches.some(({ kind }) => kind === 'union')) {
        throw new SchemaError('Nested union', pointer)
      }
      const duplicate = firstDuplicate(
        branches.map((branch) => (isNamed(branch) ? branch.name.fullName : branch.kind)),
      )
      if (duplicate !== undefined) throw new SchemaError(`Duplicate in union:${duplicate}`, pointer)
    }
    this.#unions = []
  }

  #checkDefaults(): void {
    const unionBranch = this.#mode === 'version-7' ? 'first' : 'any'
    const checked: CheckedDefaults = new Map()
    for (const { name, type, defaultValue, pointer } of this.#fieldsWithDefault) {
      invariant(defaultValue !== undefined, 'only fields with a default are listed')
      if (!isValidDefault(type, defaultValue, unionBranch, checked)) {
        const value = writeJson(defaultValue)
        throw new SchemaError(
          `Invalid default for field ${name}: ${value} not a ${canonicalTextOf(type, 'stored')}`,
          `${pointer}/default`,
        )
      }
    }
    this.#fieldsWithDefault = []
  }

  #properties(
    json: JsonObject,
    attributes: readonly string[],
    pointer: string,
  ): ReadonlyMap<string, JsonValue> {
    const properties = new Map<string, JsonValue>()
    for (const [name, value] of json.members) {
      if (attributes.includes(name)) continue
      // Avro 1.12 reads such a number as null, and then refuses a property that is null.
      if (this.#mode === 'strict' && value.kind === 'integer' && !fitsLong(value.value)) {
        throw new SchemaError(`Can't set a property to null: ${name}`, pointer)
      }
      properties.set(name, value)
    }
    return properties
  }

  #checkName(name: string, pointer: string): void {
    const problem = nameProblem(name, this.#mode)
    if (problem !== undefined) throw new SchemaError(problem, pointer)
  }

  #checkFullName({ name, fullName }: FullName, pointer: string): void {
    this.#checkName(name, pointer)
    if (this.#mode !== 'strict') return
    for (const part of fullName.split('.')) this.#checkName(part, pointer)
  }
}

function undefinedName(fullName: string, pointer: string): SchemaError {
  return new SchemaError(`Undefined schema: ${fullName}`, pointer)
}

function redefinition({ name, pointer }: NamedSchema): SchemaError {
  return new SchemaError(`Can't redefine: ${name.fullName}`, pointer)
}

const EXCERPT_LENGTH_MAX = 200

function excerpt(json: JsonValue): string {
  const text = writeJson(json)
  return text.length > EXCERPT_LENGTH_MAX ? `${text.slice(0, EXCERPT_LENGTH_MAX)}…` : text
}

function textOf(json: JsonObject, attribute: string): string | undefined {
  const value = json.members.get(attribute)
  return value?.kind === 'string' ? value.value : undefined
}

function requiredText(
  json: JsonObject,
  attribute: string,
  problem: string,
  pointer: string,
): string {
  const text = textOf(json, attribute)
  if (text === undefined) throw new SchemaError(`${problem}: ${excerpt(json)}`, pointer)
  return text
}

function fieldOrder(json: JsonObject, pointer: string): FieldOrder {
  const order = json.members.get('order')
  if (order === undefined) return 'ascending'
  const text = textOf(json, 'order')?.toLowerCase() ?? ''
  if (!ORDERS.includes(text))
    throw new SchemaError(`Unknown field order: ${writeJson(order)}`, pointer)
  return text as FieldOrder
}

function aliasTexts(json: JsonObject, pointer: string): string[] {
  const aliases = json.members.get('aliases')
  if (aliases === undefined) return []
  if (aliases.kind !== 'array') {
    throw new SchemaError(`aliases not an array: ${excerpt(json)}`, pointer)
  }
  const texts = aliases.items.map((alias) => {
    if (alias.kind !== 'string')
      throw new SchemaError(`alias not a string: ${excerpt(alias)}`, pointer)
    return alias.value
  })
  return [...new Set(texts)]
}

/** Avro in Java takes the default of a float or double as text too, such as `"NaN"`. */
function numberFromText(schema: AvroSchema, value: JsonValue | undefined): JsonValue | undefined {
  if (value?.kind !== 'string' || (schema.kind !== 'float' && schema.kind !== 'double'))
    return value
  const text = value.value.trim()
  const isNumber = /^[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[dDfF]?)$/.test(text)
  if (!isNumber) return value
  return {
    kind: 'decimal',
    value: Number(text.replace(/(\d|\.)[dDfF]$/, '$1')),
    position: value.position,
  }
}

function fitsLong(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value
}

function firstDuplicate(texts: readonly string[]): string | undefined {
  const seen = new Set<string>()
  for (const text of texts) {
    if (seen.has(text)) return text
    seen.add(text)
  }
  return undefined
}
