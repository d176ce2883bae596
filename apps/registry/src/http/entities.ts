import { writeJson } from '@fairlead/avro'
import {
  type Profile,
  type SchemaReference,
  type SchemaTags,
  type SchemaVersion,
  type Settings,
  qualifiedLike,
} from '@fairlead/schemas'
import { guidOfVersion } from '../guids.ts'

/** JSON bodies of a profile: members that have no value are left out. */

export type SchemaEntity = {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly guid?: string
  readonly schemaType?: string
  readonly references?: readonly SchemaReference[]
  readonly metadata?: unknown
  readonly ruleSet?: unknown
  readonly schema: string
  readonly deleted?: true
}

/** `schema` in place of the stored text, in another format. */
export function schemaEntity(
  version: SchemaVersion,
  profile: Profile,
  schema: string = version.schema,
): SchemaEntity {
  return {
    subject: version.subject,
    version: version.version,
    id: version.schemaId,
    ...content(version, profile, schema),
    ...(version.isDeleted && profile === 8 ? { deleted: true as const } : {}),
  }
}

/** The answer to a registration. */
export function registrationEntity(
  version: SchemaVersion,
  profile: Profile,
  schema: string,
): object {
  if (profile === 7) return { id: version.schemaId }
  return {
    id: version.schemaId,
    version: version.version,
    ...content(version, profile, schema),
  }
}

/** The answer to a question by id. */
export function schemaStringEntity(
  version: SchemaVersion,
  options: {
    readonly profile: Profile
    readonly schema: string
    readonly highestId: number | undefined
  },
): { readonly references?: readonly SchemaReference[] } {
  const { profile, schema, highestId } = options
  return {
    ...(profile === 8 ? { subject: version.subject, version: version.version } : {}),
    ...content(version, profile, schema),
    ...(highestId === undefined ? {} : { maxId: highestId }),
  }
}

export function settingsEntity(settings: Settings): object {
  const { compatibilityLevel, normalize, otherMembers } = settings
  const others = [...otherMembers].map(([name, value]) => [name, JSON.parse(writeJson(value))])
  return {
    ...(compatibilityLevel === undefined ? {} : { compatibilityLevel }),
    ...(normalize === undefined ? {} : { normalize }),
    ...(Object.fromEntries(others) as object),
  }
}

function content(version: SchemaVersion, profile: Profile, schema: string) {
  const { schemaType, references, metadata, ruleSet } = version
  const isTold = profile === 8 || schemaType !== 'AVRO'
  return {
    ...(profile === 8 ? { guid: guidOfVersion(version) } : {}),
    ...(isTold ? { schemaType } : {}),
    ...(references.length === 0 ? {} : { references }),
    ...(metadata === undefined ? {} : { metadata: JSON.parse(writeJson(metadata)) as unknown }),
    ...(ruleSet === undefined ? {} : { ruleSet: JSON.parse(writeJson(ruleSet)) as unknown }),
    schema,
  }
}

/** With the tagged records and fields, where they are asked for. */
export function withTags<Entity extends object>(
  entity: Entity,
  schemaTags: readonly SchemaTags[] | undefined,
): Entity {
  return schemaTags === undefined || schemaTags.length === 0 ? entity : { ...entity, schemaTags }
}

/** With `referenceFormat=qualified` references name their contexts, which they otherwise inherit. */
export function withReferenceFormat<
  Entity extends { readonly references?: readonly SchemaReference[] },
>(
  entity: Entity,
  { subject, format }: { readonly subject: string; readonly format: string | undefined },
): Entity {
  if (format?.toLowerCase() !== 'qualified' || entity.references === undefined) return entity
  const references = entity.references.map((reference) => ({
    ...reference,
    subject: qualifiedLike(subject, reference.subject),
  }))
  return { ...entity, references }
}
