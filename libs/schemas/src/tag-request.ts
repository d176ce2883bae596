import type { JsonObject } from '@fairlead/avro'
import { type Outcome, failed, success } from './failure.ts'
import { type SchemaExtras, changedRuleSet } from './metadata.ts'
import type { SchemaRequest } from './schema-request.ts'
import type { VersionNumber } from './settings.ts'
import type { SubjectView } from './subject-view.ts'
import type { TagChange } from './tags/schema-tags.ts'

/** Asks for a new version with the schema of another one and other tags, metadata or rules. */
export type TagRequest = SchemaExtras & {
  /** The number that it must get; undefined for the next one. */
  readonly newVersion: number | undefined
  readonly schemaTags: TagChange
  /** In place of a rule set: rules that replace or follow those of the version before the new one. */
  readonly rulesToMerge: JsonObject | undefined
  /** Names of rules that are to go. */
  readonly rulesToRemove: readonly string[] | undefined
}

/** The registration that a request for other tags amounts to. */
export function registrationOf(
  view: SubjectView,
  { subject, version }: { readonly subject: string; readonly version: VersionNumber },
  { newVersion, schemaTags, rulesToMerge, rulesToRemove, ...extras }: TagRequest,
): Outcome<SchemaRequest> {
  const isChanging = rulesToMerge !== undefined || rulesToRemove !== undefined
  if (isChanging && extras.ruleSet !== undefined) {
    return failed(
      'INVALID_RULESET',
      'ruleSet should be omitted if specifying rulesToMerge or rulesToRemove',
    )
  }
  const found = view.version(subject, version, {})
  if (!found.ok) return found
  const { schema, schemaType, references } = found.value
  const metadata = extras.metadata ?? found.value.metadata
  const before = view.version(subject, newVersion === undefined ? 'latest' : newVersion - 1, {})
  const ruleSet = isChanging
    ? changedRuleSet(before.ok ? before.value.ruleSet : undefined, {
        merge: rulesToMerge,
        remove: rulesToRemove ?? [],
      })
    : extras.ruleSet
  return success({
    schema,
    schemaType,
    references,
    normalize: false,
    version: newVersion ?? -1,
    schemaTags,
    ...(metadata === undefined ? {} : { metadata }),
    ...(ruleSet === undefined ? {} : { ruleSet }),
  })
}
