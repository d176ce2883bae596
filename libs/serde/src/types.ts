import type { RecordPart } from './subject-name.ts'
import type { RecordHeaders, SchemaName } from './wire-format.ts'

/** A schema that another schema names: the text of `version` of `subject` defines the type `name`. */
export type SchemaReference = {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** Schema text as a caller hands it in; Avro only. */
export type SchemaText = {
  readonly schema: string
  readonly references?: readonly SchemaReference[]
}

/** A schema as the registry has it. */
export type StoredSchema = {
  readonly schema: string
  readonly schemaType: string
  readonly references: readonly SchemaReference[]
  /** The same in every registry; undefined from registries before Confluent 8. */
  readonly guid?: string
}

/** A schema under the id that the registry gave to its text. An id never changes its meaning. */
export type RegisteredSchema = StoredSchema & { readonly schemaId: number }

/** One version of a subject. */
export type SubjectVersion = RegisteredSchema & {
  readonly subject: string
  readonly version: number
}

/** Who reads, and with which schema. `member` tells the members of a group apart. */
export type ReaderReport = {
  readonly group: string
  readonly member: string
  readonly schema: SchemaText
}

/** One problem of an incompatible schema per message, as the registry words it. */
export type CompatibilityVerdict = {
  readonly isCompatible: boolean
  readonly messages: readonly string[]
}

/**
 * The registry as a service uses it.
 *
 * Every method rejects with a `RegistryError`: retryable when the registry cannot be reached or
 * answers 408, 429 or 5xx, after the client's own retries; not retryable when it refuses, such as
 * an unknown schema id (error code 40403) or an incompatible schema (40901).
 */
export interface RegistryClient {
  /** Registers the schema under the subject, or finds it there. Same text, same id. */
  register(subject: string, schema: SchemaText): Promise<number>
  /** The version that a subject already has a schema under. With `deleted`, also a soft-deleted one. */
  lookup(
    subject: string,
    schema: SchemaText,
    options?: { readonly deleted?: boolean },
  ): Promise<SubjectVersion>
  /** The schema of an id. Answered from memory for ever after the first time. */
  schemaById(schemaId: number): Promise<RegisteredSchema>
  /** As `schemaById`, by the id that is the same in every registry. */
  schemaByGuid(guid: string): Promise<StoredSchema>
  /**
   * Subjects that are associated with the keys or values of a topic; none where the registry knows
   * no associations. `clusterId` is the id of the Kafka cluster; `-`, the default, any.
   */
  associatedSubjects(
    topic: string,
    part: RecordPart,
    clusterId?: string,
  ): Promise<readonly string[]>
  /**
   * Tells every registry of the client that a member of a consumer group reads what was written with
   * a schema, with a schema of its own. Once each, without retries; rejects when none took it.
   */
  reportReader(written: SchemaName, reader: ReaderReport): Promise<void>
  /** `version` counts from 1; a number also finds what is soft-deleted, `latest` does not. */
  version(subject: string, version: number | 'latest'): Promise<SubjectVersion>
  /** Compares with the versions that the subject's compatibility level names. */
  testCompatibility(subject: string, schema: SchemaText): Promise<CompatibilityVerdict>
}

/** An encoder for one schema that is already registered. Synchronous, for use in a transaction. */
export interface AvroEncoder {
  readonly schemaId: number
  /**
   * Magic byte 0, schema id as int32, Avro binary.
   *
   * @throws {EncodeError} when the value does not fit the schema; its path is in the message.
   */
  encode(value: unknown): Uint8Array<ArrayBuffer>
}

/** An encoder for values whose schema is named by a header of the record. */
export interface HeaderAvroEncoder {
  /** Goes with every record; it is the same for all values of this encoder. */
  readonly header: readonly [name: string, value: Uint8Array]
  /**
   * Avro binary, and nothing before it.
   *
   * @throws {EncodeError} when the value does not fit the schema; its path is in the message.
   */
  encode(value: unknown): Uint8Array
}

/** What else of a record tells how its key or value is to be read. */
export type RecordSource = {
  readonly headers: RecordHeaders
  /** Default value. */
  readonly part?: RecordPart
}

export type DecodedValue = {
  /** Id of the writer's schema; undefined where the record names it by its GUID. */
  readonly schemaId: number | undefined
  /** Longs are bigint, bytes Uint8Array, timestamp-millis and -micros Date; unions are unwrapped. */
  readonly value: unknown
}

/** Decodes the payloads of one writer's schema. Synchronous: what it needs from the registry is there. */
export interface AvroDecoder {
  /**
   * @param payloadOffset where the payload begins, as `writtenWith` tells; by default behind a wire
   *   prefix with an id, which is not looked at.
   * @param end where it ends; by default, where the bytes do.
   * @throws {DecodeError}
   */
  decode(bytes: Uint8Array, payloadOffset?: number, end?: number): unknown
}

/** Avro with Confluent's wire prefix. */
export interface AvroSerde {
  /** Registers the schema (or looks it up, see `autoRegister`) and compiles its encoder. */
  encoder(subject: string, schema: SchemaText): Promise<AvroEncoder>
  /** As `encoder`, then `encode`. */
  encode(subject: string, schema: SchemaText, value: unknown): Promise<Uint8Array<ArrayBuffer>>
  /**
   * As `encoder`, for records that name their schema in a header (Confluent's
   * `HeaderSchemaIdSerializer`). Rejects with a `RegistryError` for a registry that has no GUIDs.
   */
  headerEncoder(subject: string, schema: SchemaText, part?: RecordPart): Promise<HeaderAvroEncoder>
  /**
   * Decodes with the writer's schema, and resolves to `readerSchema` when one is given. With the
   * record's headers, one of them may name the writer's schema; otherwise the prefix does.
   *
   * Rejects with `DecodeError` for bytes that are no such payload and for a writer's schema that the
   * reader's schema cannot read, with `RegistryError` when the writer's schema cannot be had.
   */
  decode(bytes: Uint8Array, readerSchema?: SchemaText, source?: RecordSource): Promise<DecodedValue>
  /** The decoder that `decode` uses, for readers of many payloads. Rejects as `decode` does. */
  decoder(schema: SchemaName, readerSchema?: SchemaText): Promise<AvroDecoder>
  /**
   * The version under which `subject` has a schema, or had it until it was soft-deleted. Rejects
   * with `RegistryError` when it never did.
   */
  subjectVersion(schema: SchemaName, subject: string): Promise<number>
  /**
   * Whether it is the schema named, as a registry tells versions of a subject apart: whatever the order of its
   * properties. Rejects with `RegistryError` when the one named cannot be had.
   */
  isSchema(named: SchemaName, schema: SchemaText): Promise<boolean>
}
