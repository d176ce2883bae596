import type { JsonValue } from '@fairlead/avro'
import { contextOf, isContextName } from './context.ts'
import { type Decision, refusal } from './decision.ts'
import { type Outcome, failed, success } from './failure.ts'
import { checkRuleSet } from './metadata.ts'
import type { Settings } from './records.ts'
import { checkSubject } from './register.ts'
import { type Mode, parseCompatibilityLevel, parseMode } from './settings.ts'
import type { SubjectView, Visibility } from './subject-view.ts'

/** Absent members are kept, null clears: PUT /config merges. */
export type SettingsChange = {
  readonly compatibility?: string | null
  readonly normalize?: boolean | null
  /** The other settings by name, of the right type; a JSON null clears. */
  readonly others?: ReadonlyMap<string, JsonValue>
}

const POLICIES = ['STRICT', 'LENIENT', 'LOGICAL']

function checkOthers(others: ReadonlyMap<string, JsonValue>): Outcome<void> {
  const policy = others.get('compatibilityPolicy')
  if (policy?.kind === 'string' && !POLICIES.includes(policy.value)) {
    return failed(
      'INVALID_COMPATIBILITY_LEVEL',
      `Invalid compatibility policy. Valid values are ${POLICIES.join(', ')}`,
    )
  }
  for (const name of ['defaultRuleSet', 'overrideRuleSet']) {
    const ruleSet = others.get(name)
    const checked = checkRuleSet(ruleSet?.kind === 'object' ? ruleSet : undefined)
    if (!checked.ok) return checked
  }
  return success(undefined)
}

/** Settings and modes are of a subject, or of a whole context by its name. */
function checkScope(subject: string | undefined): Outcome<void> {
  if (subject === undefined || isContextName(subject)) return success(undefined)
  return checkSubject(subject)
}

export function decideSettings(
  view: SubjectView,
  subject: string | undefined,
  change: SettingsChange,
): Decision<Settings> {
  const named = checkScope(subject)
  if (!named.ok) return refusal(named)
  const writable = view.checkWritable(subject)
  if (!writable.ok) return refusal(writable)

  const others = change.others ?? new Map<string, JsonValue>()
  const checked = checkOthers(others)
  if (!checked.ok) return refusal(checked)

  const current = view.image.settings(subject)
  const { compatibility } = change
  let compatibilityLevel = current?.compatibilityLevel
  if (compatibility === null) compatibilityLevel = undefined
  if (typeof compatibility === 'string') {
    compatibilityLevel = parseCompatibilityLevel(compatibility)
    if (compatibilityLevel === undefined) {
      return refusal(
        failed(
          'INVALID_COMPATIBILITY_LEVEL',
          'Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive',
        ),
      )
    }
  }
  const value: Settings = {
    compatibilityLevel,
    normalize:
      change.normalize === undefined ? current?.normalize : (change.normalize ?? undefined),
    otherMembers: new Map(
      [...(current?.otherMembers ?? []), ...others].filter(
        ([name, value]) => (others.get(name) ?? value).kind !== 'null',
      ),
    ),
  }
  return { records: [{ kind: 'config', subject, value }], response: success(value) }
}

export function decideMode(
  view: SubjectView,
  {
    subject,
    mode: text,
    force,
  }: {
    readonly subject: string | undefined
    readonly mode: string | undefined
    readonly force: boolean
  },
): Decision<Mode> {
  const named = checkScope(subject)
  if (!named.ok) return refusal(named)
  const mode = parseMode(text ?? '')
  if (mode === undefined) {
    return refusal(
      failed(
        'INVALID_MODE',
        'Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.',
      ),
    )
  }
  const isEmpty = subjectsWithin(view, subject).length === 0
  // Ids of an import could collide with ids that are in use already.
  if (mode === 'IMPORT' && view.effectiveMode(subject) !== 'IMPORT' && !isEmpty && !force) {
    return refusal(failed('OPERATION_NOT_PERMITTED', 'Cannot import since found existing subjects'))
  }
  return { records: [{ kind: 'mode', subject, value: mode }], response: success(mode) }
}

/** Removes a mode, with `recursive` also those of the subjects within its scope. */
export function decideDeleteMode(
  view: SubjectView,
  { subject, recursive }: { readonly subject: string | undefined; readonly recursive: boolean },
): Decision<Mode> {
  const mode = view.image.mode(subject)
  const inner = recursive
    ? view.image.modeScopes.filter((scope) => scope !== subject && isWithin(scope, subject))
    : []
  if (mode === undefined && subject !== undefined && inner.length === 0) {
    return refusal(failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`))
  }
  const scopes = mode === undefined ? inner : [subject, ...inner]
  return {
    records: scopes.map((scope) => ({ kind: 'mode', subject: scope, value: null })),
    response: success(mode ?? view.effectiveMode(subject)),
  }
}

/** A context goes by itself with its last schema. */
export function decideDeleteContext(view: SubjectView, context: string): Decision<void> {
  if (subjectsWithin(view, `:${context}:`, { deleted: true }).length === 0) {
    return { records: [], response: success(undefined) }
  }
  return refusal(failed('CONTEXT_NOT_EMPTY', `The specified context '${context}' is not empty.`))
}

function subjectsWithin(
  view: SubjectView,
  scope: string | undefined,
  visibility: Visibility = {},
): string[] {
  return view.subjects(visibility).filter((name) => isWithin(name, scope))
}

function isWithin(subject: string | undefined, scope: string | undefined): boolean {
  if (scope === undefined) return true
  if (subject === undefined || !isContextName(scope)) return subject === scope
  return contextOf(subject) === contextOf(scope)
}
