import type { RegistryParts } from '../check-compatibility.ts'
import { type Decision, refusal } from '../decision.ts'
import { deleteForGood } from '../delete.ts'
import { type Outcome, failed, success } from '../failure.ts'
import { type Judgement, judge } from '../judgement.ts'
import type { RegistryRecord, SchemaVersion } from '../records.ts'
import { decideRegister } from '../register.ts'
import type { SubjectView } from '../subject-view.ts'
import type { Association } from './association.ts'
import { type Resource, invalid } from './association-request.ts'
import {
  type PlannedAssociation,
  associationIsFrozen,
  resourceIsAssociated,
} from './planned-association.ts'

/** An association of an answer, with the version that was registered for it. */
export type AssociationAnswer = Pick<
  Association,
  'subject' | 'associationType' | 'lifecycle' | 'isFrozen'
> & { readonly schema?: SchemaVersion | undefined }

export type AssociationsAnswer = {
  readonly resource: Resource
  readonly associations: readonly AssociationAnswer[]
}

type Judged = PlannedAssociation & { readonly judgement: Judgement | undefined }

/** Registers the schemas of associations, and makes or changes them. */
export function decideAssociations(
  parts: RegistryParts,
  resource: Resource,
  {
    planned,
    judged,
    isCreate,
    isDryRun,
    newGuid,
  }: {
    readonly planned: readonly PlannedAssociation[]
    /** Of the schema of each, where it was made before. */
    readonly judged: readonly (Outcome<Judgement> | undefined)[]
    readonly isCreate: boolean
    readonly isDryRun: boolean
    readonly newGuid: () => string
  },
): Decision<AssociationsAnswer> {
  const all: Judged[] = []
  for (const [index, plan] of planned.entries()) {
    const { subject, schema } = plan
    const judgement = schema && (judged[index] ?? judge(parts, subject, schema))
    if (judgement?.ok === false) return refusal(judgement)
    const one = { ...plan, judgement: judgement?.value }
    const fits = checkSchema(parts.view, one, { isCreate })
    if (!fits.ok) return refusal(fits)
    all.push(one)
  }
  const answerOf = (associations: readonly AssociationAnswer[]): AssociationsAnswer => ({
    resource,
    associations,
  })
  if (isDryRun) return { records: [], response: success(answerOf([])) }

  const records: RegistryRecord[] = []
  const answers: AssociationAnswer[] = []
  const registered: SchemaVersion[] = []
  for (const one of all) {
    const { schema, judgement, subject } = one
    const isRegistered = judgement && parts.view.effectiveMode(subject) !== 'IMPORT'
    if (schema !== undefined && isRegistered === true) {
      const judgedOnce = success(judgement)
      const decision = decideRegister(parts, subject, schema, judgedOnce, registered)
      if (!decision.response.ok) return refusal(decision.response)
      records.push(...decision.records)
      registered.push(decision.response.value)
    }
    if (one.isThere) continue
    const value = associationOf(one, resource, newGuid)
    records.push({ kind: 'association', key: value, value })
    answers.push({ ...value, schema: isRegistered === true ? registered.at(-1) : undefined })
  }
  return { records, response: success(answerOf(answers)) }
}

/** A frozen association begins with its subject; what is there already has the schema that is sent again. */
function checkSchema(
  view: SubjectView,
  { wish, existing, subject, judgement, isThere }: Judged,
  { isCreate }: { readonly isCreate: boolean },
): Outcome<void> {
  const isImport = view.effectiveMode(subject) === 'IMPORT'
  if (existing === undefined && wish.isFrozen === true && !isImport) {
    const latest = view.versions(subject, {}).at(-1)
    const isOther = latest !== undefined && (latest.version !== 1 || !judgement?.found())
    if (isOther) {
      const detail = 'cannot create a frozen association when schemas already exist in the subject'
      return invalid('frozen', detail)
    }
  }
  if (judgement === undefined || judgement.found() !== undefined) return success(undefined)
  if (isThere && isCreate && existing !== undefined) return resourceIsAssociated(existing)
  if (isImport) return success(undefined)
  const { isCompatible, messages } = judgement.verdict()
  if (isCompatible) return success(undefined)
  return failed('INCOMPATIBLE_SCHEMA', `[${messages.join(', ')}]`)
}

function associationOf(
  { existing, wish, subject, lifecycle }: PlannedAssociation,
  resource: Resource,
  newGuid: () => string,
): Association {
  const { associationType, isFrozen = existing?.isFrozen ?? false } = wish
  if (existing !== undefined) return { ...existing, lifecycle, isFrozen }
  const { resourceId = '' } = resource
  return {
    ...resource,
    resourceId,
    associationType,
    subject,
    guid: newGuid(),
    lifecycle,
    isFrozen,
    createTimestampMs: undefined,
    updateTimestampMs: undefined,
  }
}

/**
 * Takes associations away; with `cascade` also the subjects that they own, for good.
 *
 * The response are the associations that go.
 */
export function decideDeleteAssociations(
  view: SubjectView,
  associations: readonly Association[],
  { isCascade, isDryRun }: { readonly isCascade: boolean; readonly isDryRun: boolean },
): Decision<readonly Association[]> {
  const records: RegistryRecord[] = []
  for (const association of associations) {
    const { subject } = association
    const writable = view.checkWritable(subject)
    if (!writable.ok) return refusal(writable)
    if (!isCascade && association.isFrozen) return refusal(associationIsFrozen(association))
    records.push({ kind: 'association', key: association, value: null })
    const isOwned = isCascade && association.lifecycle === 'STRONG'
    if (!isOwned || view.effectiveMode(subject) === 'IMPORT') continue
    const deleted = deleteForGood(view, subject)
    if (!deleted.ok) return refusal(deleted)
    records.push(...deleted.value)
  }
  return { records: isDryRun ? [] : records, response: success(associations) }
}
