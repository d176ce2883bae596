export { type TextForm, canonicalText, canonicalTextOf } from './canonical-text.ts'
export type {
  AvroRead,
  AvroWrite,
  FieldDefinition,
  RecordDefinition,
} from './events/avro-types.ts'
export {
  type AnyEvents,
  type CommonField,
  type Envelope,
  type EventDefinitions,
  type EventOf,
  type EventSet,
  type EventTypeOf,
  type NewEvent,
  type Upcasts,
  defineEvents,
  recordName,
} from './events/define-events.ts'
export { type Datum, defaultDatum, longDatum, setMember, timestampOf } from './datum.ts'
export { isValidDefault } from './default-value.ts'
export { branchIndex, fits } from './fits.ts'
export { type GuidReference, type Md5, schemaGuid } from './guid.ts'
export { incompatibilities, isSameName } from './incompatibilities.ts'
export {
  type Incompatibility,
  type IncompatibilityType,
  type ReaderIs,
  incompatibilityMessage,
} from './incompatibility.ts'
export type {
  JsonArray,
  JsonBoolean,
  JsonDecimal,
  JsonInteger,
  JsonNull,
  JsonObject,
  JsonString,
  JsonValue,
} from './json/json-value.ts'
export { readJson } from './json/read-json.ts'
export { compareText, sortMembers, writeJson, writeJsonString } from './json/write-json.ts'
export { branchOfObject } from './json-branch.ts'
export { isJsNumber, logicalAttributes, logicalTypeOf } from './logical-type.ts'
export { md5 } from './md5.ts'
export {
  type ParseMode,
  type ParseOptions,
  type ParsedSchema,
  type ReferencedSchema,
  parseSchema,
} from './parse-schema.ts'
export type {
  ArraySchema,
  AvroSchema,
  EnumSchema,
  FieldOrder,
  FixedSchema,
  FullName,
  MapSchema,
  NamedSchema,
  PrimitiveKind,
  PrimitiveSchema,
  RecordField,
  RecordSchema,
  UnionSchema,
} from './schema.ts'
export { isNamed } from './schema.ts'
export { SchemaError } from './schema-error.ts'
