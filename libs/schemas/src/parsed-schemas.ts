import { DecodeError, errorMessage } from '@fairlead/base'
import { type ParseMode, SchemaError, parseSchema } from '@fairlead/avro'
import { qualifiedLike } from './context.ts'
import { type Outcome, failed, success } from './failure.ts'
import { InvalidSchemaError } from './invalid-schema-error.ts'
import { loadJsonSchema } from './json-schema/load-json-schema.ts'
import { type ProtoReference, loadProto } from './protobuf/load-proto.ts'
import type { SchemaReference, SchemaType, SchemaVersion } from './records.ts'
import type { RegistryImage } from './registry-image.ts'
import type { SchemaDocument } from './schema-document.ts'
import { documentTags, ownTags, textWithTags } from './tags/document-tags.ts'
import type { SchemaTags, TagChange } from './tags/schema-tags.ts'
import { WeightedCache } from './weighted-cache.ts'

/** Schemas kept parsed: checks compare with the newest versions of the subjects in use. */
const CACHE_ENTRIES_MAX = 1_000
/** Of their texts, which take several times as much when they are parsed. */
const CACHE_LENGTH_MAX = 16_000_000
/** Schemas that one schema may depend on, directly or not. */
const DEPENDENCIES_MAX = 1_000

/**
 * Stored schemas without references by their texts, for whoever answers from one image after the other: a
 * version is another object in each.
 */
export type DocumentsByText = WeightedCache<string, SchemaDocument>

/** The major version of Confluent's registry whose rules and answers are in force. */
export type Profile = 7 | 8

export type GivenSchema = {
  readonly schemaType: SchemaType
  readonly schema: string
  readonly references: readonly SchemaReference[]
  readonly normalize: boolean
  /**
   * Whether it must satisfy what holds for new schemas. What is looked up or imported was valid by the
   * rules of its time, and may refer to what has been deleted since.
   */
  readonly isNew: boolean
}

/** Turns text into schemas, with the types of their references. */
export class ParsedSchemas {
  readonly #image: RegistryImage
  readonly #profile: Profile
  /** A stored text never changes, and its references cannot be deleted before it. */
  readonly #cache: WeightedCache<SchemaVersion, SchemaDocument>
  readonly #documentsByText: DocumentsByText | undefined

  constructor(
    image: RegistryImage,
    profile: Profile,
    options: {
      readonly parsedLengthMax?: number | undefined
      readonly documentsByText?: DocumentsByText | undefined
    },
  ) {
    this.#image = image
    this.#profile = profile
    const weightMax = options.parsedLengthMax ?? CACHE_LENGTH_MAX
    this.#cache = new WeightedCache({ countMax: CACHE_ENTRIES_MAX, weightMax })
    this.#documentsByText = options.documentsByText
  }

  /** The schema of a request. */
  parseGiven(subject: string, schema: GivenSchema): Outcome<SchemaDocument> {
    const { isNew, normalize } = schema
    const resolved = this.#resolve(subject, schema.references, { liveOnly: isNew })
    if (!resolved.ok) return resolved
    const isLatest = this.#profile === 8
    return parsed(schema.schemaType, schema.schema, {
      references: resolved.value,
      mode: isLatest && isNew ? 'strict' : 'version-7',
      // Confluent 7 looks at defaults only when it normalizes.
      checkDefaults: isNew && (isLatest || normalize),
    })
  }

  /**
   * What a schema of a request is stored as. It has to be readable: types that are written out where
   * they are used first may nest too deep, and numbers may turn out not to be any.
   */
  parseBack(subject: string, schema: Omit<GivenSchema, 'normalize'>): Outcome<SchemaDocument> {
    const resolved = this.#resolve(subject, schema.references, { liveOnly: schema.isNew })
    if (!resolved.ok) return resolved
    return parsed(schema.schemaType, schema.schema, {
      references: resolved.value,
      mode: 'lenient',
      checkDefaults: false,
    })
  }

  /** A stored schema, which may be one that a stricter version would refuse today. */
  parseStored(version: SchemaVersion): Outcome<SchemaDocument> {
    const cached = this.#cache.get(version) ?? this.#byText(version)
    if (cached !== undefined) return success(cached)
    const resolved = this.#resolve(version.subject, version.references, { liveOnly: false })
    if (!resolved.ok) return resolved
    const document = parsed(version.schemaType, version.schema, {
      references: resolved.value,
      mode: 'lenient',
      checkDefaults: false,
    })
    if (document.ok) {
      // A document holds what it refers to, however short its own text is.
      const texts = [version.schema, ...resolved.value.map(({ text }) => text)]
      const weight = texts.reduce((sum, text) => sum + text.length, 0)
      this.#cache.set(version, document.value, weight)
      const isAlone = version.references.length === 0
      if (isAlone) this.#documentsByText?.set(version.schema, document.value, weight)
    }
    return document
  }

  #byText({ schema, schemaType, references }: SchemaVersion): SchemaDocument | undefined {
    const document = references.length === 0 ? this.#documentsByText?.get(schema) : undefined
    return document?.schemaType === schemaType ? document : undefined
  }

  /** The text of a new schema with other tags. */
  retagged(subject: string, schema: GivenSchema, change: TagChange): Outcome<string> {
    const document = this.parseGiven(subject, schema)
    if (!document.ok) return document
    return attempted(schema, () => textWithTags(document.value, change))
  }

  /** The tags of a stored schema, with those of schemas that it refers to. */
  tags(version: SchemaVersion): Outcome<readonly SchemaTags[]> {
    const document = this.parseStored(version)
    return document.ok ? attempted(version, () => documentTags(document.value)) : document
  }

  /** The tags that stand in a stored schema itself. */
  ownTags(version: SchemaVersion): Outcome<readonly SchemaTags[]> {
    const document = this.parseStored(version)
    return document.ok ? attempted(version, () => ownTags(document.value)) : document
  }

  /** All dependencies, each after those that it depends on itself. */
  #resolve(
    parent: string,
    references: readonly SchemaReference[],
    options: { readonly liveOnly: boolean },
  ): Outcome<ProtoReference[]> {
    const resolved: ProtoReference[] = []
    const visited = new Set<SchemaVersion>()
    const visit = (
      from: string,
      reference: SchemaReference,
      liveOnly: boolean,
    ): SchemaReference | undefined => {
      const subject = qualifiedLike(from, reference.subject)
      const target = this.#image.version(subject, reference.version)
      if (target === undefined || (liveOnly && target.isDeleted)) return reference
      if (visited.has(target) || visited.size >= DEPENDENCIES_MAX) return undefined
      visited.add(target)
      for (const inner of target.references) {
        const missing = visit(target.subject, inner, false)
        if (missing !== undefined) return missing
      }
      const origin = `${target.subject} ${target.version}`
      resolved.push({ name: reference.name, text: target.schema, origin })
      return undefined
    }
    for (const reference of references) {
      const missing = visit(parent, reference, options.liveOnly)
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

function parsed(
  schemaType: SchemaType,
  text: string,
  {
    references,
    mode,
    checkDefaults,
  }: {
    readonly references: readonly ProtoReference[]
    readonly mode: ParseMode
    readonly checkDefaults: boolean
  },
): Outcome<SchemaDocument> {
  return attempted({ schemaType, schema: text }, () => {
    switch (schemaType) {
      case 'AVRO':
        return { schemaType, avro: parseSchema(text, { mode, references, checkDefaults }) }
      case 'JSON':
        return { schemaType, json: loadJsonSchema(text, references) }
      case 'PROTOBUF': {
        const isStrict = mode !== 'lenient'
        return { schemaType, proto: loadProto(text, references, { isStrict }) }
      }
    }
  })
}

/** Work on a schema; what is wrong with the schema itself is a refusal. */
function attempted<Value>(
  { schemaType, schema }: Pick<GivenSchema, 'schemaType' | 'schema'>,
  work: () => Value,
): Outcome<Value> {
  try {
    return success(work())
  } catch (error) {
    return refused(schemaType, schema, error)
  }
}

function refused(schemaType: SchemaType, text: string, error: unknown): Outcome<never> {
  const isInvalid =
    error instanceof SchemaError ||
    error instanceof DecodeError ||
    error instanceof InvalidSchemaError
  if (!isInvalid) throw error
  const excerpt = text.length > EXCERPT_LENGTH_MAX ? `${text.slice(0, EXCERPT_LENGTH_MAX)}…` : text
  return failed(
    'INVALID_SCHEMA',
    `Invalid schema ${excerpt} of type ${schemaType}, details: ${errorMessage(error)}`,
  )
}
