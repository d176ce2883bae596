import {
  comparedVersions,
  compatibilityMessages,
  compatibilityReasons,
  otherTypeMessages,
} from './compatibility.ts'
import { type Outcome, failed, success } from './failure.ts'
import type { ParsedSchemas } from './parsed-schemas.ts'
import type { SchemaVersion } from './records.ts'
import { comparableVersions } from './comparable-versions.ts'
import type { SchemaRequest } from './schema-request.ts'
import type { CompatibilityReason, SchemaDocument } from './schema-document.ts'
import type { CompatibilityLevel, VersionNumber } from './settings.ts'
import type { Candidate, SubjectView } from './subject-view.ts'

export type CompatibilityVerdict = {
  readonly isCompatible: boolean
  /** Confluent's messages; empty when compatible. */
  readonly messages: readonly string[]
  /** The first version that it does not fit, and why; undefined also for one of another type. */
  readonly failing?: FailingVersion
}

export type FailingVersion = {
  readonly old: SchemaVersion
  readonly document: SchemaDocument
  readonly level: CompatibilityLevel
  readonly isLenient: boolean
  readonly reasons: readonly CompatibilityReason[]
}

export type RegistryParts = { readonly view: SubjectView; readonly schemas: ParsedSchemas }

const COMPATIBLE: CompatibilityVerdict = { isCompatible: true, messages: [] }

/** Compares with one version, or with all that the level in force names. */
export function checkCompatibility(
  parts: RegistryParts,
  {
    subject,
    version,
    request,
  }: {
    readonly subject: string
    readonly version: VersionNumber | undefined
    readonly request: SchemaRequest
  },
): Outcome<CompatibilityVerdict> {
  const { view, schemas } = parts
  const candidate = view.candidate(schemas, subject, request)
  if (!candidate.ok) return candidate

  const level = view.effectiveSettings(subject).compatibilityLevel
  if (version === undefined) {
    const versions = comparedVersions(level, comparableVersions(view, subject, candidate.value))
    return success(verdictAgainst(parts, { subject, versions, candidate: candidate.value }))
  }
  const found = view.version(subject, version, {})
  // Nothing to break yet: `latest` of an unknown subject is compatible, a version by number is not.
  if (!found.ok && version === 'latest') return success(COMPATIBLE)
  if (!found.ok) return failed('VERSION_NOT_FOUND', `Version ${version} not found.`)
  const versions = [found.value]
  return success(verdictAgainst(parts, { subject, versions, candidate: candidate.value }))
}

/** `versions` in the order of comparison; the first one that fails ends it, with all its reasons. */
export function verdictAgainst(
  { view, schemas }: RegistryParts,
  {
    subject,
    versions,
    candidate,
  }: {
    readonly subject: string
    readonly versions: readonly SchemaVersion[]
    readonly candidate: Candidate
  },
): CompatibilityVerdict {
  const level = view.effectiveSettings(subject).compatibilityLevel
  if (level === 'NONE') return COMPATIBLE
  for (const old of versions) {
    if (old.schemaType !== candidate.schemaType) {
      return { isCompatible: false, messages: otherTypeMessages(old, level) }
    }
    const parsed = schemas.parseStored(old)
    if (!parsed.ok) {
      return { isCompatible: false, messages: [parsed.failure.message] }
    }
    const isLenient = view.settingText(subject, 'compatibilityPolicy') === 'LENIENT'
    const document = parsed.value
    const reasons = compatibilityReasons({ level, isLenient }, candidate.document, document)
    if (reasons.length > 0) {
      const failing = { old, document, level, isLenient, reasons }
      const messages = compatibilityMessages(reasons, { old, level })
      return { isCompatible: false, messages, failing }
    }
  }
  return COMPATIBLE
}
