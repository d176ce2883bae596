import {
  type AvroSchema,
  type JsonObject,
  type JsonValue,
  type RecordSchema,
  readJson,
  writeJson,
} from '@fairlead/avro'
import { FoundTags } from './found-tags.ts'
import { tagsIn, withChangedTags } from './json-tags.ts'
import {
  type EntityChange,
  type EntityType,
  type SchemaEntity,
  type SchemaTags,
  TAGS_MEMBER,
  type TagChange,
  changesByEntity,
  noEntity,
} from './schema-tags.ts'

/** Paths are a record's full name, and that with the field's name behind a dot. */

/**
 * Tags of records and their fields, those of referenced schemas included.
 *
 * @throws {InvalidSchemaError} when they take too much room.
 */
export function avroTags(root: AvroSchema): readonly SchemaTags[] {
  const found = new FoundTags()
  for (const { name, properties, fields } of recordsIn(root)) {
    const { fullName } = name
    found.add('sr_record', fullName, tagsIn(properties.get(TAGS_MEMBER)))
    for (const field of fields) {
      found.add('sr_field', `${fullName}.${field.name}`, tagsIn(field.properties.get(TAGS_MEMBER)))
    }
  }
  return found.list()
}

/** Each once, outer ones first, in the order of the text. */
function recordsIn(root: AvroSchema): readonly RecordSchema[] {
  const records = new Set<RecordSchema>()
  const visit = (schema: AvroSchema): void => {
    if (schema.kind === 'union') schema.branches.forEach(visit)
    else if (schema.kind === 'array') visit(schema.items)
    else if (schema.kind === 'map') visit(schema.values)
    else if (schema.kind === 'record' && !records.has(schema)) {
      records.add(schema)
      for (const field of schema.fields) visit(field.type)
    }
  }
  visit(root)
  return [...records]
}

/**
 * The canonical text with other tags.
 *
 * @throws {InvalidSchemaError} for a path that leads nowhere in this text.
 */
export function avroWithTags(text: string, change: TagChange): string {
  const json = readJson(text)
  const written = new WrittenRecords(json)
  const find = ({ entity, path }: EntityChange): JsonObject => {
    const found = written.find(entity.entityType, path)
    if (found === undefined) throw noEntity(entity.entityPath)
    return found
  }
  return writeJson(withChangedTags(json, changesByEntity(change), find))
}

/** Whether a path leads to a record or field of this text, and not of one that it refers to. */
export function isWrittenIn(text: string): (entity: SchemaEntity) => boolean {
  const written = new WrittenRecords(readJson(text))
  return ({ entityPath, entityType }) => written.find(entityType, entityPath) !== undefined
}

type WrittenRecord = {
  readonly json: JsonObject
  readonly fields: ReadonlyMap<string, JsonObject>
}

/** The records that are written out in a text. */
class WrittenRecords {
  /** Namespace, then name. */
  readonly #records = new Map<string, Map<string, WrittenRecord>>()
  /** The first one of each name in any namespace, outer ones before inner ones. */
  readonly #first = new Map<string, WrittenRecord>()

  constructor(root: JsonValue) {
    type Place = { readonly json: JsonValue; readonly namespace: string }
    let level: readonly Place[] = [{ json: root, namespace: '' }]
    while (level.length > 0) {
      const inner: Place[] = []
      for (const { json, namespace } of level) {
        const [within, types] = this.#visit(json, namespace)
        for (const type of types) inner.push({ json: type, namespace: within })
      }
      level = inner
    }
  }

  /** A path without a namespace means the first record of that name. */
  find(entityType: EntityType, path: string): JsonObject | undefined {
    const isField = entityType === 'sr_field'
    const end = isField ? path.lastIndexOf('.') : path.length
    if (end === -1) return undefined
    const fullName = path.slice(0, end)
    const dot = fullName.lastIndexOf('.')
    const [namespace, name] = [fullName.slice(0, Math.max(dot, 0)), fullName.slice(dot + 1)]
    const record =
      namespace === '' ? this.#first.get(name) : this.#records.get(namespace)?.get(name)
    return isField ? record?.fields.get(path.slice(end + 1)) : record?.json
  }

  /** Adds what is a record; what is within it, and the namespace in which that is. */
  #visit(json: JsonValue, outer: string): readonly [string, readonly JsonValue[]] {
    if (json.kind === 'array') return [outer, json.items]
    if (json.kind !== 'object') return [outer, []]
    const type = json.members.get('type')
    const kind = type?.kind === 'string' ? type.value : ''
    if (kind !== 'record' && kind !== 'error') {
      const within = json.members.get(INNER_MEMBERS.get(kind) ?? 'type')
      return [outer, within === undefined ? [] : [within]]
    }
    const namespace = textMember(json, 'namespace') ?? outer
    const fields = fieldsOf(json)
    const record = {
      json,
      fields: new Map(fields.map((field) => [textMember(field, 'name') ?? '', field])),
    }
    const name = textMember(json, 'name') ?? ''
    if (!this.#first.has(name)) this.#first.set(name, record)
    let names = this.#records.get(namespace)
    if (names === undefined) this.#records.set(namespace, (names = new Map()))
    names.set(name, record)
    return [namespace, fields.flatMap((field) => field.members.get('type') ?? [])]
  }
}

/** Where a type that has another one inside has it. */
const INNER_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['array', 'items'],
  ['map', 'values'],
])

function fieldsOf(record: JsonObject): readonly JsonObject[] {
  const fields = record.members.get('fields')
  const items = fields?.kind === 'array' ? fields.items : []
  return items.filter((field) => field.kind === 'object')
}

function textMember(json: JsonObject, name: string): string | undefined {
  const value = json.members.get(name)
  return value?.kind === 'string' ? value.value : undefined
}
