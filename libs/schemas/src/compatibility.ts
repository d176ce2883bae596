import { assertNever } from '@fairlead/base'
import type { SchemaVersion } from './records.ts'
import {
  type CompatibilityReason,
  type SchemaDocument,
  documentReasons,
} from './schema-document.ts'
import type { CompatibilityLevel } from './settings.ts'

/** Confluent cuts the old schema off in its messages beyond this length. */
const OLD_SCHEMA_LENGTH_MAX = 10_000

/** The versions that a level compares with, newest first; `versions` are live and ascending. */
export function comparedVersions(
  level: CompatibilityLevel,
  versions: readonly SchemaVersion[],
): SchemaVersion[] {
  switch (level) {
    case 'NONE':
      return []
    case 'BACKWARD':
    case 'FORWARD':
    case 'FULL':
      return versions.slice(-1)
    case 'BACKWARD_TRANSITIVE':
    case 'FORWARD_TRANSITIVE':
    case 'FULL_TRANSITIVE':
      return versions.toReversed()
    default:
      return assertNever(level)
  }
}

/** Every reason why the new schema does not fit the old one; FULL lists the forward part first. */
export function compatibilityReasons(
  { level, isLenient }: { readonly level: CompatibilityLevel; readonly isLenient: boolean },
  next: SchemaDocument,
  old: SchemaDocument,
): CompatibilityReason[] {
  const forward = (): CompatibilityReason[] =>
    documentReasons(old, next, { readerIs: 'old', isLenient })
  const backward = (): CompatibilityReason[] =>
    documentReasons(next, old, { readerIs: 'new', isLenient })
  switch (level) {
    case 'NONE':
      return []
    case 'BACKWARD':
    case 'BACKWARD_TRANSITIVE':
      return backward()
    case 'FORWARD':
    case 'FORWARD_TRANSITIVE':
      return forward()
    case 'FULL':
    case 'FULL_TRANSITIVE':
      return [...forward(), ...backward()]
    default:
      return assertNever(level)
  }
}

/** The messages of Confluent's registry: one per reason, then the version and the rule that failed. */
export function compatibilityMessages(
  reasons: readonly CompatibilityReason[],
  { old, level }: { readonly old: SchemaVersion; readonly level: CompatibilityLevel },
): string[] {
  return [...reasons.map(({ text }) => text), ...versionMessages(old, level)]
}

/** Confluent's answer for a version of another schema type. */
export function otherTypeMessages(old: SchemaVersion, level: CompatibilityLevel): string[] {
  return ['Incompatible because of different schema type', ...versionMessages(old, level)]
}

function versionMessages(old: SchemaVersion, level: CompatibilityLevel): string[] {
  const { schema, version } = old
  const oldSchema =
    schema.length > OLD_SCHEMA_LENGTH_MAX
      ? `{oldSchema: <truncated> '${schema.slice(0, OLD_SCHEMA_LENGTH_MAX)}...'}`
      : `{oldSchema: '${schema}'}`
  return [
    `{oldSchemaVersion: ${version}}`,
    oldSchema,
    `{validateFields: 'false', compatibility: '${level}'}`,
  ]
}
