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

/** A schema under the id that the registry gave to its text. An id never changes its meaning. */
export type RegisteredSchema = {
  readonly schemaId: number
  readonly schema: string
  readonly schemaType: string
  readonly references: readonly SchemaReference[]
}

/** One version of a subject. */
export type SubjectVersion = RegisteredSchema & {
  readonly subject: string
  readonly version: number
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
  /** Id of a schema that the subject already has. */
  lookup(subject: string, schema: SchemaText): Promise<SubjectVersion>
  /** The schema of an id. Answered from memory for ever after the first time. */
  schemaById(schemaId: number): Promise<RegisteredSchema>
  /** `version` counts from 1. */
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

export type DecodedValue = {
  /** Id of the writer's schema. */
  readonly schemaId: number
  /** Longs are bigint, bytes Uint8Array, timestamp-millis and -micros Date; unions are unwrapped. */
  readonly value: unknown
}

/** Decodes the payloads of one writer's schema. Synchronous: what it needs from the registry is there. */
export interface AvroDecoder {
  /**
   * @param bytes a payload with its wire prefix; the schema id in it is not looked at.
   * @throws {DecodeError}
   */
  decode(bytes: Uint8Array): unknown
}

/** Avro with Confluent's wire prefix. */
export interface AvroSerde {
  /** Registers the schema (or looks it up, see `autoRegister`) and compiles its encoder. */
  encoder(subject: string, schema: SchemaText): Promise<AvroEncoder>
  /** As `encoder`, then `encode`. */
  encode(subject: string, schema: SchemaText, value: unknown): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Decodes with the writer's schema, and resolves to `readerSchema` when one is given.
   *
   * Rejects with `DecodeError` for bytes that are no such payload and for a writer's schema that the
   * reader's schema cannot read, with `RegistryError` when the writer's schema cannot be had.
   */
  decode(bytes: Uint8Array, readerSchema?: SchemaText): Promise<DecodedValue>
  /** The decoder that `decode` uses, for readers of many payloads. Rejects as `decode` does. */
  decoder(schemaId: number, readerSchema?: SchemaText): Promise<AvroDecoder>
  /**
   * The version under which `subject` has the schema of an id. Rejects with `RegistryError` when it
   * does not have it.
   */
  subjectVersion(schemaId: number, subject: string): Promise<number>
}
