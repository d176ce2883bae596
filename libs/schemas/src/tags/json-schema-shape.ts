import { type JsonObject, type JsonValue, compareText, writeJson } from '@fairlead/avro'
import { TYPE_KEYWORDS } from '../json-schema/type-keywords.ts'

/**
 * The outline of a JSON Schema by which paths to its entities are told: what each schema object is, and
 * for combinations, its parts in Confluent's order. References are not followed.
 */
export type Shape = {
  readonly kind: ShapeKind
  readonly json: JsonObject
  /** Of a combination, in the order of its indexes. */
  readonly parts: readonly Shape[]
  /** Of a combination. */
  readonly criterion: Criterion | undefined
}

type Criterion = 'allof' | 'anyof' | 'oneof'

/** In the order in which Confluent sorts the parts of a combination. */
const KINDS = [
  'array',
  'boolean',
  'combined',
  'conditional',
  'const',
  'empty',
  'enum',
  'not',
  'null',
  'number',
  'object',
  'reference',
  'string',
] as const
type ShapeKind = (typeof KINDS)[number]

const COMBINATIONS = [
  ['allOf', 'allof'],
  ['anyOf', 'anyof'],
  ['oneOf', 'oneof'],
] as const

/** Shapes of one text, each made once. */
export class Shapes {
  readonly #known = new Map<JsonObject, Shape>()

  /** Undefined for what has no entities: booleans, and what is no schema. */
  of(json: JsonValue | undefined): Shape | undefined {
    if (json?.kind !== 'object') return undefined
    let shape = this.#known.get(json)
    if (shape === undefined) this.#known.set(json, (shape = this.#new(json)))
    return shape
  }

  #new(json: JsonObject): Shape {
    const { members } = json
    if (members.get('$ref')?.kind === 'string') return leaf('reference', json)
    const parts: Shape[] = []
    if (members.has('enum')) parts.push(leaf('enum', json))
    for (const [keyword, criterion] of COMBINATIONS) {
      const list = members.get(keyword)
      if (list?.kind !== 'array') continue
      const shapes = list.items.map((item) => this.of(item) ?? leaf('empty', NOTHING))
      parts.push(combination(criterion, shapes, json))
    }
    for (const kind of ['not', 'const'] as const)
      if (members.has(kind)) parts.push(leaf(kind, json))
    if (members.has('if')) parts.push(leaf('conditional', json))
    parts.push(...typedShapes(json))
    const [first = leaf('empty', json), ...others] = parts
    return others.length === 0 ? first : combination('allof', parts, json)
  }
}

const NOTHING: JsonObject = { kind: 'object', members: new Map(), position: 0 }

function typedShapes(json: JsonObject): readonly Shape[] {
  const type = json.members.get('type')
  if (type?.kind === 'string') return [leaf(kindOfType(type.value), json)]
  if (type?.kind === 'array') {
    const kinds = type.items.map((item) =>
      item.kind === 'string' ? kindOfType(item.value) : 'empty',
    )
    return [
      combination(
        'anyof',
        kinds.map((kind) => leaf(kind, json)),
        json,
      ),
    ]
  }
  return TYPE_KEYWORDS.filter(([, names]) => names.some((name) => json.members.has(name))).map(
    ([kind]) => leaf(kind, json),
  )
}

function kindOfType(type: string): ShapeKind {
  if (type === 'integer') return 'number'
  return KINDS.find((kind) => kind === type) ?? 'empty'
}

function leaf(kind: ShapeKind, json: JsonObject): Shape {
  return { kind, json, parts: [], criterion: undefined }
}

function combination(criterion: Criterion, parts: readonly Shape[], json: JsonObject): Shape {
  return { kind: 'combined', json, parts: parts.toSorted(compareShapes), criterion }
}

function compareShapes(left: Shape, right: Shape): number {
  if (left === right) return 0
  return (
    KINDS.indexOf(left.kind) - KINDS.indexOf(right.kind) ||
    compareMember(left, right, 'title') ||
    compareMember(left, right, 'description') ||
    compareMember(left, right, 'default') ||
    compareOwn(left, right)
  )
}

function compareOwn(left: Shape, right: Shape): number {
  const compareTexts = (name: string): number =>
    compareLists(textsOf(left, name), textsOf(right, name))
  if (left.kind === 'const') return compareMember(left, right, 'const')
  if (left.kind === 'enum') return compareTexts('enum')
  if (left.kind === 'object') return compareTexts('properties') || compareTexts('required')
  return left.kind === 'combined' ? compareParts(left, right) : 0
}

function compareParts(left: Shape, right: Shape): number {
  const byKind =
    compareText(left.criterion ?? '', right.criterion ?? '') ||
    left.parts.length - right.parts.length
  if (byKind !== 0) return byKind
  for (const [index, part] of left.parts.entries()) {
    const other = right.parts[index]
    const compared = other === undefined ? 1 : compareShapes(part, other)
    if (compared !== 0) return compared
  }
  return 0
}

/** What has none comes first. */
function compareMember(left: Shape, right: Shape, name: string): number {
  const [own, other] = [left, right].map(({ json }) => json.members.get(name))
  if (own === undefined || other === undefined) {
    return Number(own !== undefined) - Number(other !== undefined)
  }
  return compareText(plainText(own), plainText(other))
}

function compareLists(left: readonly string[], right: readonly string[]): number {
  if (left.length !== right.length) return left.length - right.length
  const [own, other] = [left.toSorted(compareText), right.toSorted(compareText)]
  const index = own.findIndex((text, at) => text !== other[at])
  return index === -1 ? 0 : compareText(own[index] ?? '', other[index] ?? '')
}

/** Names of an object's members, or the items of a list. */
function textsOf({ json }: Shape, name: string): readonly string[] {
  const value = json.members.get(name)
  if (value?.kind === 'object') return [...value.members.keys()]
  return value?.kind === 'array' ? value.items.map(plainText) : []
}

function plainText(value: JsonValue): string {
  return value.kind === 'string' ? value.value : writeJson(value)
}
