import { type JsonObject, type JsonValue, readJson, writeJson } from '@fairlead/avro'
import { FoundTags } from './found-tags.ts'
import { type Shape, Shapes } from './json-schema-shape.ts'
import { tagsIn, withChangedTags } from './json-tags.ts'
import {
  type EntityChange,
  type EntityType,
  type SchemaTags,
  TAGS_MEMBER,
  type TagChange,
  changesByEntity,
  noEntity,
} from './schema-tags.ts'

/**
 * Paths say what each schema on the way is: `object.items.array.object.name`, with the index of the part in
 * a combination (`oneof.1.object.name`), and definitions by name (`object.definitions.Card.object`).
 */

/** Tags of objects and their properties. @throws {InvalidSchemaError} when they take too much room. */
export function jsonSchemaTags(json: JsonValue): readonly SchemaTags[] {
  const found = new FoundTags()
  const shapes = new Shapes()
  const add = (entityType: EntityType, path: string, at: JsonValue): void => {
    if (at.kind === 'object') found.add(entityType, path, tagsIn(at.members.get(TAGS_MEMBER)))
  }
  const visitObject = (object: JsonObject, path: string, isProperty: boolean): void => {
    // The tags of a property that is an object are those of the property.
    if (!isProperty) add('sr_record', path, object)
    for (const [name, property] of membersOf(object, 'properties')) {
      const propertyPath = `${path}.${name}`
      add('sr_field', propertyPath, property)
      visit(shapes.of(property), `${propertyPath}.`, true)
    }
    for (const keyword of DEFINITIONS) {
      for (const [name, definition] of membersOf(object, keyword)) {
        visit(shapes.of(definition), `${path}.${keyword}.${name}.`, false)
      }
    }
  }
  const visit = (shape: Shape | undefined, scope: string, isProperty: boolean): void => {
    if (shape === undefined) return
    const { kind, json: at, parts, criterion } = shape
    if (kind === 'combined') {
      // A type that a list repeats has the same entities: walked twice at each level, they would be 2^n.
      const walked = new Set<string>()
      parts.forEach((part, index) => {
        const isRepeated = part.json === at && part.kind !== 'combined' && walked.has(part.kind)
        walked.add(part.kind)
        if (!isRepeated) visit(part, `${scope}${criterion}.${index}.`, false)
      })
    } else if (kind === 'object') visitObject(at, `${scope}object`, isProperty)
    else if (kind === 'array') visit(shapes.of(at.members.get('items')), `${scope}array.`, false)
    else if (kind === 'not') visit(shapes.of(at.members.get('not')), `${scope}not.`, false)
    else if (kind === 'conditional') {
      for (const branch of BRANCHES) {
        visit(shapes.of(at.members.get(branch)), `${scope}conditional.${branch}.`, false)
      }
    }
  }
  visit(shapes.of(json), '', false)
  return found.list()
}

const DEFINITIONS = ['definitions', '$defs'] as const
const BRANCHES = ['if', 'then', 'else'] as const

/**
 * The canonical text with other tags.
 *
 * @throws {InvalidSchemaError} for a path that leads nowhere.
 */
export function jsonSchemaWithTags(text: string, change: TagChange): string {
  const json = readJson(text)
  const shapes = new Shapes()
  const find = ({ entity, path }: EntityChange): JsonObject => {
    const found = entityAt(shapes, json, path)
    if (found === undefined) throw noEntity(entity.entityPath)
    return found
  }
  return writeJson(withChangedTags(json, changesByEntity(change), find))
}

/** The object or property at the end of a path. Which of them a request calls it makes no difference. */
function entityAt(shapes: Shapes, root: JsonValue, path: string): JsonObject | undefined {
  let shape = shapes.of(root)
  let rest = path
  const takePart = (): string => {
    const part = firstPart(rest)
    rest = rest.slice(part.length + 1)
    return part
  }
  while (shape !== undefined && takePart() === (shape.criterion ?? shape.kind)) {
    const { kind, json, parts } = shape
    if (kind === 'object') {
      if (rest === '') return json
      const next = memberOfObject(json, rest)
      if (next?.rest === '') return next.value.kind === 'object' ? next.value : undefined
      rest = next?.rest ?? ''
      shape = shapes.of(next?.value)
    } else if (kind === 'combined') {
      const index = takePart()
      shape = /^\d{1,6}$/.test(index) ? parts[Number(index)] : undefined
    } else if (kind === 'array') shape = shapes.of(json.members.get('items'))
    else if (kind === 'not') shape = shapes.of(json.members.get('not'))
    else if (kind === 'conditional') {
      const branch = takePart()
      const isBranch = BRANCHES.some((name) => name === branch)
      shape = isBranch ? shapes.of(json.members.get(branch)) : undefined
    } else return undefined
  }
  return undefined
}

function firstPart(path: string): string {
  const dot = path.indexOf('.')
  return dot === -1 ? path : path.slice(0, dot)
}

/** The property or definition that the path names next, whose name may have dots, and what is behind it. */
function memberOfObject(
  object: JsonObject,
  path: string,
): { readonly value: JsonValue; readonly rest: string } | undefined {
  const keyword = DEFINITIONS.find((name) => path.startsWith(`${name}.`))
  const members = membersOf(object, keyword ?? 'properties')
  const names = keyword === undefined ? path : path.slice(keyword.length + 1)
  for (let end = names.indexOf('.'); ; end = names.indexOf('.', end + 1)) {
    const name = end === -1 ? names : names.slice(0, end)
    const value = members.get(name)
    if (value !== undefined) return { value, rest: names.slice(name.length + 1) }
    if (end === -1) return undefined
  }
}

function membersOf(object: JsonObject, name: string): ReadonlyMap<string, JsonValue> {
  const value = object.members.get(name)
  return value?.kind === 'object' ? value.members : new Map()
}
