export type {
  AvroEncoder,
  AvroSerde,
  CompatibilityVerdict,
  DecodedValue,
  RegisteredSchema,
  RegistryClient,
  SchemaReference,
  SchemaText,
  SubjectVersion,
} from './types.ts'
