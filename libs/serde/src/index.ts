export { avroDecoderOf, avroEncoderOf } from './avro-codec.ts'
export { type AvroSerdeOptions, createAvroSerde } from './avro-serde.ts'
export { EncodeError } from './datum/datum-encoder.ts'
export type { PayloadEncoder } from './payload/payload-encoder.ts'
export { PayloadEncoders, type PayloadEncodersOptions } from './payload/payload-encoders.ts'
export { ReaderReports, type ReaderReportsOptions, type Reading } from './reader-reports.ts'
export { type RegistryClientOptions, createRegistryClient } from './registry-client.ts'
export { RegistryError } from './registry-error.ts'
export type { RegistryHttpOptions } from './registry-http.ts'
export {
  type RecordPart,
  SUBJECT_NAME_STRATEGIES,
  type SubjectNameStrategy,
  type SubjectNamesOptions,
  createSubjectNames,
} from './subject-name.ts'
export type {
  AvroDecoder,
  AvroEncoder,
  AvroSerde,
  CompatibilityVerdict,
  DecodedValue,
  HeaderAvroEncoder,
  ReaderReport,
  RecordSource,
  RegisteredSchema,
  RegistryClient,
  SchemaReference,
  SchemaText,
  StoredSchema,
  SubjectVersion,
} from './types.ts'
export {
  type SchemaName,
  VALUE_SCHEMA_ID_HEADER,
  WIRE_PREFIX_BYTES,
  prefixedSchemaId,
  schemaIdOf,
  withWirePrefix,
  withoutSchemaId,
  writtenWith,
} from './wire-format.ts'
