export {
  type Association,
  type AssociationFilter,
  DEFAULT_RESOURCE_TYPE,
  LIFECYCLES,
  type Lifecycle,
} from './associations/association.ts'
export {
  type AssociationWish,
  type AssociationsOptions,
  type AssociationsRequest,
  type CheckedAssociations,
  type Resource,
  checkAssociationType,
  checkAssociations,
  checkResource,
  invalid as invalidAssociation,
} from './associations/association-request.ts'
export type { AssociationAnswer, AssociationsAnswer } from './associations/decide-associations.ts'
export {
  type PlannedAssociation,
  planAssociations,
  subjectsOf,
} from './associations/planned-association.ts'
export type { CompatibilityVerdict } from './check-compatibility.ts'
export { DEFAULT_CONTEXT, contextOf, plainSubject, qualifiedLike } from './context.ts'
export { type Decision, refusal } from './decision.ts'
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
  canonicalMetadata,
  definedMembers,
  hasRuleOfType,
  metadataProperty,
} from './metadata.ts'
export type { DocumentsByText, Profile } from './parsed-schemas.ts'
export { type EncodedRecord, decodeRecord, encodeRecord } from './record-codec.ts'
export type {
  RegistryRecord,
  SchemaReference,
  SchemaType,
  SchemaVersion,
  Settings,
} from './records.ts'
export { type Registration, checkSubject } from './register.ts'
export type { SchemaRequest } from './schema-request.ts'
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
export { type TagRequest, registrationOf } from './tag-request.ts'
export {
  ENTITY_TYPES,
  type EntityType,
  type SchemaEntity,
  type SchemaTags,
  type TagChange,
} from './tags/schema-tags.ts'
export { WeightedCache } from './weighted-cache.ts'
