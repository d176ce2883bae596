import { InvalidSchemaError } from '../invalid-schema-error.ts'

/** A record (message, object) of a schema or one of its fields, by Confluent's path for the schema's type. */
export type SchemaEntity = {
  readonly entityPath: string
  readonly entityType: EntityType
}

export const ENTITY_TYPES = ['sr_record', 'sr_field'] as const
export type EntityType = (typeof ENTITY_TYPES)[number]

/** Tags of one record or field. */
export type SchemaTags = {
  readonly schemaEntity: SchemaEntity
  readonly tags: readonly string[]
}

/** What a request would have written into a schema, and taken out of it. */
export type TagChange = {
  readonly add: readonly SchemaTags[]
  readonly remove: readonly SchemaTags[]
}

/** Member of Avro's and JSON Schema's text that holds the tags of what it stands in. */
export const TAGS_MEMBER = 'confluent:tags'

/** Parts of a path; more has no honest use, and each of them is looked for. */
const PATH_PARTS_MAX = 256

/** Changes of one entity: first all that is added, then what is removed. */
export type EntityChange = {
  readonly entity: SchemaEntity
  /** Without a leading dot. */
  readonly path: string
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/**
 * The change by entities, in the order in which the request names them. A path with and one without a
 * leading dot are the same.
 *
 * @throws {InvalidSchemaError} for a path of too many parts.
 */
export function changesByEntity({ add, remove }: TagChange): readonly EntityChange[] {
  const changes = new Map<string, EntityChange & { add: string[]; remove: string[] }>()
  const changeOf = ({ entityPath, entityType }: SchemaEntity) => {
    const path = entityPath.startsWith('.') ? entityPath.slice(1) : entityPath
    const key = `${entityType} ${path}`
    let change = changes.get(key)
    if (change === undefined) {
      if (path.split('.', PATH_PARTS_MAX + 1).length > PATH_PARTS_MAX) throw noEntity(entityPath)
      const entity = { entityPath, entityType }
      changes.set(key, (change = { entity, path, add: [], remove: [] }))
    }
    return change
  }
  for (const { schemaEntity, tags } of add) {
    const change = changeOf(schemaEntity)
    for (const tag of tags) change.add.push(tag)
  }
  for (const { schemaEntity, tags } of remove) {
    const change = changeOf(schemaEntity)
    for (const tag of tags) change.remove.push(tag)
  }
  return [...changes.values()]
}

/** Each tag once: those that are there, then the added ones, and not the removed ones. */
export function changedTags(
  tags: readonly string[],
  { add, remove }: Pick<EntityChange, 'add' | 'remove'>,
): readonly string[] {
  const changed = new Set([...tags, ...add])
  for (const tag of remove) changed.delete(tag)
  return [...changed]
}

const PATH_SHOWN_LENGTH_MAX = 300

/** Confluent's refusal of a path that leads nowhere. */
export function noEntity(path: string): InvalidSchemaError {
  const shown =
    path.length > PATH_SHOWN_LENGTH_MAX ? `${path.slice(0, PATH_SHOWN_LENGTH_MAX)}…` : path
  return new InvalidSchemaError(`No matching path '${shown}' found in the schema`)
}
