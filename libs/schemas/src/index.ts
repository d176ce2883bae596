export type { CompatibilityVerdict } from './check-compatibility.ts'
export { DEFAULT_CONTEXT, contextOf, plainSubject, qualifiedLike } from './context.ts'
export type { Decision } from './decision.ts'
export type { SchemaChange } from './explain/avro-changes.ts'
export { type CompatibilityDetail, type Explanation, patchText } from './explain/explain.ts'
export { type PatchOperation, patched, valueAt } from './explain/json-patch.ts'
export type { DeleteOptions } from './delete.ts'
export {
  ERROR_CODES,
  type ErrorCode,
  type Failure,
  type Outcome,
  failed,
  success,
} from './failure.ts'
export {
  type Answers,
  type Inquiry,
  type InquiryAnswer,
  type InquiryBasis,
  type InquiryOf,
  basisRecords,
  isSameBasis,
} from './inquiry.ts'
export {
  type SchemaExtras,
  definedMembers,
  hasRuleOfType,
  metadataProperty,
} from './metadata.ts'
export type { Profile } from './parsed-schemas.ts'
export { type EncodedRecord, decodeRecord, encodeRecord } from './record-codec.ts'
export type {
  RegistryRecord,
  SchemaReference,
  SchemaType,
  SchemaVersion,
  Settings,
} from './records.ts'
export { type Registration, type SchemaRequest, checkSubject } from './register.ts'
export {
  EXPECTED_OFFSET_HEADER,
  type LogEntry,
  RegistryLog,
  type ReplayResult,
} from './registry-log.ts'
export { type RegistryImage, guidOf } from './registry-image.ts'
export { SchemaRegistry, type SchemaRegistryOptions, answerApart } from './schema-registry.ts'
export {
  COMPATIBILITY_LEVELS,
  type CompatibilityLevel,
  MODES,
  type Mode,
  type VersionNumber,
  parseCompatibilityLevel,
  parseVersion,
} from './settings.ts'
export type { SettingsChange } from './settings-decisions.ts'
export type { SubjectView, Visibility } from './subject-view.ts'
export { WeightedCache } from './weighted-cache.ts'
