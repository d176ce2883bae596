import { type Decision, refusal } from './decision.ts'
import { type Outcome, failed, noLiveVersion, referenceExists, success } from './failure.ts'
import type { RegistryRecord, SchemaVersion } from './records.ts'
import type { VersionNumber } from './settings.ts'
import type { SubjectView } from './subject-view.ts'

export type DeleteOptions = {
  /**
   * Removes what is soft-deleted already, for good; its ids are not given again. Data that was written
   * with a soft-deleted schema stays readable, and so does what that refers to.
   */
  readonly permanent: boolean
}

export function decideDeleteSubject(
  view: SubjectView,
  subject: string,
  { permanent }: DeleteOptions,
): Decision<readonly number[]> {
  const writable = view.checkWritable(subject)
  if (!writable.ok) return refusal(writable)
  const all = view.image.versions(subject)
  const live = view.versions(subject, {})
  if (all.length === 0) {
    return refusal(failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`))
  }
  if (!permanent && live.length === 0) {
    return refusal(
      failed(
        'SUBJECT_SOFT_DELETED',
        `Subject '${subject}' was soft deleted.Set permanent=true to delete permanently`,
      ),
    )
  }
  if (permanent && live.length > 0) {
    return refusal(
      failed(
        'SUBJECT_NOT_SOFT_DELETED',
        `Subject '${subject}' was not deleted first before being permanently deleted`,
      ),
    )
  }
  if (view.image.associations.ofSubject(subject).length > 0) {
    return refusal(
      failed('SUBJECT_IS_ASSOCIATED', `An association already exists for subject '${subject}'`),
    )
  }
  const referenced = all.find(({ version }) => {
    const referrers = view.image.referrers(subject, version, { deleted: permanent })
    // With the subject go all of its versions.
    return referrers.some((referrer) => referrer.subject !== subject)
  })
  if (referenced !== undefined) return refusal(referenceExists(referenced))

  const deleted = permanent ? all : live
  const response = success(deleted.map(({ version }) => version))
  if (permanent) return { records: hardDelete(view, subject, all), response }
  // The record replaces that of an earlier deletion, and stands for what it deleted as well.
  const version = Math.max(view.image.deleteSubjectVersion(subject) ?? 0, all.at(-1)?.version ?? 0)
  return { records: [{ kind: 'deleteSubject', subject, version }], response }
}

export function decideDeleteVersion(
  view: SubjectView,
  subject: string,
  version: VersionNumber,
  { permanent }: DeleteOptions,
): Decision<number> {
  const writable = view.checkWritable(subject)
  if (!writable.ok) return refusal(writable)
  const found = view.version(subject, version, { deleted: true })
  if (!found.ok) return refusal(found)
  const target = found.value
  const label = `Subject '${subject}' Version ${target.version}`
  if (!permanent && target.isDeleted) {
    return refusal(
      failed(
        'VERSION_SOFT_DELETED',
        `${label} was soft deleted.Set permanent=true to delete permanently`,
      ),
    )
  }
  if (permanent && !target.isDeleted) {
    return refusal(
      failed(
        'VERSION_NOT_SOFT_DELETED',
        `${label} was not deleted first before being permanently deleted`,
      ),
    )
  }
  const isLast = view.versions(subject, {}).every((version) => version === target)
  if (!permanent && isLast && view.image.associations.ofSubject(subject).length > 0) {
    return refusal(noLiveVersion(subject))
  }
  if (view.image.referrers(subject, target.version, { deleted: permanent }).length > 0) {
    return refusal(referenceExists(target))
  }
  const response = success(target.version)
  if (permanent) return { records: hardDelete(view, subject, [target]), response }
  const value = { ...target, isDeleted: true }
  return { records: [{ kind: 'schema', subject, version: target.version, value }], response }
}

/**
 * Both deletions of a subject at once.
 *
 * @throws nothing: refused while others refer to it, soft-deleted ones included.
 */
export function deleteForGood(view: SubjectView, subject: string): Outcome<RegistryRecord[]> {
  const all = view.image.versions(subject)
  const referenced = all.find(({ version }) =>
    view.image
      .referrers(subject, version, { deleted: true })
      .some((referrer) => referrer.subject !== subject),
  )
  if (referenced !== undefined) return referenceExists(referenced)
  return success(all.length === 0 ? [] : hardDelete(view, subject, all))
}

/** With the last version of a subject go its settings; the highest id is written down first. */
function hardDelete(
  view: SubjectView,
  subject: string,
  versions: readonly SchemaVersion[],
): RegistryRecord[] {
  const { image } = view
  const records: RegistryRecord[] = [
    { kind: 'noop', highestIds: image.highestIds },
    ...versions.map(
      ({ version }): RegistryRecord => ({ kind: 'schema', subject, version, value: null }),
    ),
  ]
  if (versions.length < image.versions(subject).length) return records
  if (image.settings(subject) !== undefined) records.push({ kind: 'config', subject, value: null })
  if (image.mode(subject) !== undefined) records.push({ kind: 'mode', subject, value: null })
  if (image.deleteSubjectVersion(subject) !== undefined) {
    records.push({ kind: 'deleteSubject', subject, version: null })
  }
  return records
}
