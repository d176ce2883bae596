import type { SchemaReference, SchemaType, SchemaVersion } from '@fairlead/schemas'
import { readJson } from '@fairlead/avro'

/** A version as the registry answers it. */
export type StoredVersion = {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly schemaType?: SchemaType
  readonly references?: readonly SchemaReference[]
  readonly metadata?: object
  readonly ruleSet?: object
  readonly schema: string
  readonly deleted?: boolean
}

export function schemaVersionOf(stored: StoredVersion): SchemaVersion {
  const { subject, version, id, schema } = stored
  const [metadata, ruleSet] = [stored.metadata, stored.ruleSet].map((part) =>
    part === undefined ? undefined : readJson(JSON.stringify(part)),
  )
  return {
    subject,
    version,
    schemaId: id,
    schemaType: stored.schemaType ?? 'AVRO',
    references: stored.references ?? [],
    schema,
    ...(metadata?.kind === 'object' ? { metadata } : {}),
    ...(ruleSet?.kind === 'object' ? { ruleSet } : {}),
    isDeleted: stored.deleted === true,
    otherMembers: new Map(),
  }
}
