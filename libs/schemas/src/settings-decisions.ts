import { type Decision, refusal } from './decision.ts'
import { failed, success } from './failure.ts'
import type { Settings } from './records.ts'
import { checkSubject } from './register.ts'
import { type Mode, parseCompatibilityLevel, parseMode } from './settings.ts'
import type { SubjectView } from './subject-view.ts'

/** Absent members are kept, null clears: PUT /config merges. */
export type SettingsChange = {
  readonly compatibility?: string | null
  readonly normalize?: boolean | null
}

export function decideSettings(
  view: SubjectView,
  subject: string | undefined,
  change: SettingsChange,
): Decision<Settings> {
  const named = subject === undefined ? success(undefined) : checkSubject(subject)
  if (!named.ok) return refusal(named)
  const writable = view.checkWritable(subject)
  if (!writable.ok) return refusal(writable)

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
    otherMembers: current?.otherMembers ?? new Map(),
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
  const named = subject === undefined ? success(undefined) : checkSubject(subject)
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
  const isEmpty =
    subject === undefined ? view.subjects({}).length === 0 : view.versions(subject, {}).length === 0
  // Ids of an import could collide with ids that are in use already.
  if (mode === 'IMPORT' && view.effectiveMode(subject) !== 'IMPORT' && !isEmpty && !force) {
    return refusal(failed('OPERATION_NOT_PERMITTED', 'Cannot import since found existing subjects'))
  }
  return { records: [{ kind: 'mode', subject, value: mode }], response: success(mode) }
}
