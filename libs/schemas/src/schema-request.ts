import type { SchemaExtras } from './metadata.ts'
import type { SchemaReference } from './records.ts'
import type { TagChange } from './tags/schema-tags.ts'

/** The body of a request that carries a schema. */
export type SchemaRequest = SchemaExtras & {
  readonly schema: string
  /** As sent: AVRO, JSON or PROTOBUF. */
  readonly schemaType: string
  /** A version of -1 is the latest. */
  readonly references: readonly SchemaReference[]
  readonly normalize: boolean
  /**
   * The number that it must get, -1 for the next one unless it is the latest version already; either is
   * written into its metadata. Undefined and 0 when it does not matter.
   */
  readonly version?: number
  /** Id to give it, in mode IMPORT only. */
  readonly schemaId?: number
  /** Tags to write into the schema; with any, and no version, it is as with -1. */
  readonly schemaTags?: TagChange
  /** Writes the tags of the latest version into the schema. */
  readonly propagateSchemaTags?: boolean
}

/** What a request says of the version's number; with `any`, a version that is there is as good. */
export function askedVersion({ version = 0, schemaTags }: SchemaRequest): number | 'next' | 'any' {
  if (version > 0) return version
  return version < 0 || schemaTags !== undefined ? 'next' : 'any'
}
