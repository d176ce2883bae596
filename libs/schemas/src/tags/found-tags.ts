import { InvalidSchemaError } from '../invalid-schema-error.ts'
import type { EntityType, SchemaTags } from './schema-tags.ts'

/** Of paths and tags together: a path repeats the names of all that is around an entity. */
const LENGTH_MAX = 2_000_000

/** Tagged entities of a schema, in the order in which they are found. */
export class FoundTags {
  readonly #byEntity = new Map<string, SchemaTags>()
  #length = 0

  /**
   * What has no tags is no tagged entity.
   *
   * @throws {InvalidSchemaError} when the entities take too much room.
   */
  add(entityType: EntityType, entityPath: string, tags: readonly string[]): void {
    if (tags.length === 0) return
    this.#length += tags.reduce((sum, tag) => sum + tag.length, entityPath.length)
    if (this.#length > LENGTH_MAX) {
      throw new InvalidSchemaError('The paths of its tagged parts are too long')
    }
    this.#byEntity.set(`${entityType} ${entityPath}`, {
      schemaEntity: { entityPath, entityType },
      tags,
    })
  }

  list(): readonly SchemaTags[] {
    return [...this.#byEntity.values()]
  }
}
