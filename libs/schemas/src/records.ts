import type { JsonValue } from '@fairlead/avro'
import type { Association, AssociationKey } from './associations/association.ts'
import type { SchemaExtras } from './metadata.ts'
import type { CompatibilityLevel, Mode } from './settings.ts'

/** A schema that another one uses, by the name under which it does. */
export type SchemaReference = {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** In the order in which Confluent lists them. */
export const SCHEMA_TYPES = ['JSON', 'PROTOBUF', 'AVRO'] as const
export type SchemaType = (typeof SCHEMA_TYPES)[number]

/** One version of a subject. The text is canonical and never changes under its id. */
export type SchemaVersion = SchemaExtras & {
  readonly subject: string
  /** From 1. */
  readonly version: number
  /** From 1; the same content has the same id in all subjects of a context. */
  readonly schemaId: number
  readonly schemaType: SchemaType
  readonly references: readonly SchemaReference[]
  readonly schema: string
  /** Soft-deleted: still readable by id, not by version. */
  readonly isDeleted: boolean
  /** Members of the stored value that this registry does not know. */
  readonly otherMembers: ReadonlyMap<string, JsonValue>
}

export type Settings = {
  readonly compatibilityLevel: CompatibilityLevel | undefined
  readonly normalize: boolean | undefined
  /** The other settings (`alias`, `compatibilityGroup`, …), and those that it does not know. */
  readonly otherMembers: ReadonlyMap<string, JsonValue>
}

/**
 * What the topic `_schemas` holds. A record stands for its key until the next record with that key;
 * `null` removes it. Without a subject it is global.
 */
export type RegistryRecord =
  | {
      readonly kind: 'schema'
      readonly subject: string
      readonly version: number
      readonly value: SchemaVersion | null
    }
  | {
      readonly kind: 'config'
      readonly subject: string | undefined
      readonly value: Settings | null
    }
  | { readonly kind: 'mode'; readonly subject: string | undefined; readonly value: Mode | null }
  | {
      /** Soft-deletes every version up to this one. */
      readonly kind: 'deleteSubject'
      readonly subject: string
      readonly version: number | null
    }
  | { readonly kind: 'clearSubject'; readonly subject: string }
  | {
      readonly kind: 'association'
      readonly key: AssociationKey
      readonly value: Association | null
    }
  | {
      /**
       * Nothing happened. Ours carries the highest id ever given in each context, so that compaction
       * of hard-deleted versions does not free their ids; Confluent reads over the value.
       */
      readonly kind: 'noop'
      readonly highestIds: ReadonlyMap<string, number>
    }
