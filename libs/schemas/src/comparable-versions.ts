import { type SchemaExtras, metadataProperty } from './metadata.ts'
import type { SchemaVersion } from './records.ts'
import type { SubjectView } from './subject-view.ts'

/** Live versions; with a `compatibilityGroup`, those of the candidate's group alone. */
export function comparableVersions(
  view: SubjectView,
  subject: string,
  candidate: SchemaExtras,
): readonly SchemaVersion[] {
  const versions = view.versions(subject, {})
  const group = view.settingText(subject, 'compatibilityGroup')
  if (group === undefined) return versions
  const own = metadataProperty(candidate, group)
  return versions.filter((version) => metadataProperty(version, group) === own)
}
