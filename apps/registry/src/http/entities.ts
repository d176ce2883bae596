import { schemaGuid } from '@fairlead/avro'
import type { SchemaReference, SchemaVersion, Settings } from '@fairlead/schemas'

/** JSON bodies of profile 8: members that have no value are left out. */

export type SchemaEntity = {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly guid: string
  readonly schemaType: string
  readonly references?: readonly SchemaReference[]
  readonly schema: string
  readonly deleted?: true
}

export function schemaEntity(version: SchemaVersion): SchemaEntity {
  return {
    subject: version.subject,
    version: version.version,
    id: version.schemaId,
    ...content(version),
    ...(version.isDeleted ? { deleted: true as const } : {}),
  }
}

/** The answer to a registration. */
export function registrationEntity(version: SchemaVersion): object {
  return { id: version.schemaId, version: version.version, ...content(version) }
}

/** The answer to a question by id. */
export function schemaStringEntity(version: SchemaVersion, highestId: number | undefined): object {
  return {
    subject: version.subject,
    version: version.version,
    ...content(version),
    ...(highestId === undefined ? {} : { maxId: highestId }),
  }
}

export function settingsEntity({ compatibilityLevel, normalize }: Settings): object {
  return {
    ...(compatibilityLevel === undefined ? {} : { compatibilityLevel }),
    ...(normalize === undefined ? {} : { normalize }),
  }
}

function content({ schema, schemaType, references }: SchemaVersion) {
  return {
    guid: schemaGuid(schema, references),
    schemaType,
    ...(references.length === 0 ? {} : { references }),
    schema,
  }
}
