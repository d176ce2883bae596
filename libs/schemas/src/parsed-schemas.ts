import { DecodeError, errorMessage } from '@fairlead/base'
import { type ParsedSchema, type ReferencedSchema, SchemaError, parseSchema } from '@fairlead/avro'
import { type Outcome, failed, success } from './failure.ts'
import type { SchemaReference, SchemaVersion } from './records.ts'
import type { RegistryImage } from './registry-image.ts'

/** Schemas kept parsed: checks compare with the newest versions of the subjects in use. */
const CACHE_ENTRIES_MAX = 1_000
/** Schemas that one schema may depend on, directly or not. */
const DEPENDENCIES_MAX = 1_000

/** Turns text into schemas, with the types of their references. */
export class ParsedSchemas {
  readonly #image: RegistryImage
  /** A stored text never changes, and its references cannot be deleted before it. */
  readonly #cache = new Map<SchemaVersion, ParsedSchema>()

  constructor(image: RegistryImage) {
    this.#image = image
  }

  /** A new schema: it must satisfy everything. */
  parseNew(schema: string, references: readonly SchemaReference[]): Outcome<ParsedSchema> {
    const resolved = this.#resolve(references, { liveOnly: true })
    if (!resolved.ok) return resolved
    try {
      return success(parseSchema(schema, { mode: 'strict', references: resolved.value }))
    } catch (error) {
      return refused(schema, error)
    }
  }

  /** A stored schema, which may be one that a stricter version would refuse today. */
  parseStored(version: SchemaVersion): Outcome<ParsedSchema> {
    const cached = this.#cache.get(version)
    if (cached !== undefined) return success(cached)
    const resolved = this.#resolve(version.references, { liveOnly: false })
    if (!resolved.ok) return resolved
    try {
      const parsed = parseSchema(version.schema, { mode: 'lenient', references: resolved.value })
      this.#remember(version, parsed)
      return success(parsed)
    } catch (error) {
      return refused(version.schema, error)
    }
  }

  #remember(version: SchemaVersion, parsed: ParsedSchema): void {
    this.#cache.set(version, parsed)
    const oldest = this.#cache.keys().next()
    if (this.#cache.size > CACHE_ENTRIES_MAX && oldest.done !== true)
      this.#cache.delete(oldest.value)
  }

  /** All dependencies, each after those that it depends on itself. */
  #resolve(
    references: readonly SchemaReference[],
    options: { readonly liveOnly: boolean },
  ): Outcome<ReferencedSchema[]> {
    const resolved: ReferencedSchema[] = []
    const visited = new Set<SchemaVersion>()
    const visit = (reference: SchemaReference, liveOnly: boolean): SchemaReference | undefined => {
      const target = this.#image.version(reference.subject, reference.version)
      if (target === undefined || (liveOnly && target.isDeleted)) return reference
      if (visited.has(target) || visited.size >= DEPENDENCIES_MAX) return undefined
      visited.add(target)
      for (const inner of target.references) {
        const missing = visit(inner, false)
        if (missing !== undefined) return missing
      }
      resolved.push({ name: reference.name, text: target.schema })
      return undefined
    }
    for (const reference of references) {
      const missing = visit(reference, options.liveOnly)
      if (missing !== undefined) {
        return failed(
          'INVALID_SCHEMA',
          `Invalid schema: No schema reference found for subject "${missing.subject}" and version ${missing.version}`,
        )
      }
    }
    return success(resolved)
  }
}

const EXCERPT_LENGTH_MAX = 300

function refused(schema: string, error: unknown): Outcome<never> {
  if (!(error instanceof SchemaError) && !(error instanceof DecodeError)) throw error
  const excerpt =
    schema.length > EXCERPT_LENGTH_MAX ? `${schema.slice(0, EXCERPT_LENGTH_MAX)}…` : schema
  return failed(
    'INVALID_SCHEMA',
    `Invalid schema ${excerpt} of type AVRO, details: ${errorMessage(error)}`,
  )
}
