import type { RegistryParts } from './check-compatibility.ts'
import { contextOf, isContextName } from './context.ts'
import { type Decision, refusal } from './decision.ts'
import { type Outcome, failed, referenceExists, success } from './failure.ts'
import { type Judgement, judge } from './judgement.ts'
import { checkRuleSet } from './metadata.ts'
import type { RegistryRecord, SchemaVersion } from './records.ts'
import { type SchemaContent, contentKey } from './registry-image.ts'
import { type SchemaRequest, askedVersion } from './schema-request.ts'
import type { SubjectView } from './subject-view.ts'

export type Registration = SchemaVersion

const SCHEMA_ID_MAX = 2 ** 31 - 1

/**
 * Registers a schema, in the order of checks that clients can tell apart: subject name, mode,
 * validity, sameness within the subject, compatibility. The id is that of the same content wherever
 * it is stored, or the next one that was never given before.
 */
export function decideRegister(
  parts: RegistryParts,
  subject: string,
  request: SchemaRequest,
  /** Of this request and this image, where it was made before. */
  judged?: Outcome<Judgement>,
  /** Versions that the same decision makes before this one. */
  before: readonly SchemaVersion[] = [],
): Decision<Registration> {
  const { view } = parts
  const named = checkSubject(subject)
  if (!named.ok) return refusal(named)
  const ruled = checkRuleSet(request.ruleSet)
  if (!ruled.ok) return refusal(ruled)
  const writable = view.checkWritable(subject)
  if (!writable.ok) return refusal(writable)
  const judgement = judged ?? judge(parts, subject, request)
  if (!judgement.ok) return refusal(judgement)

  if (view.effectiveMode(subject) === 'IMPORT') {
    return decideImport(view, subject, { request, content: judgement.value.content })
  }
  if (request.schemaId !== undefined && request.schemaId >= 0) {
    return refusal(failed('OPERATION_NOT_PERMITTED', `Subject ${subject} is not in import mode`))
  }
  const found = judgement.value.found()
  if (found !== undefined) return { records: [], response: success(found) }
  return decideNewVersion(view, { subject, request, judgement: judgement.value, before })
}

function decideNewVersion(
  view: SubjectView,
  {
    subject,
    request,
    judgement,
    before,
  }: {
    readonly subject: string
    readonly request: SchemaRequest
    readonly judgement: Judgement
    readonly before: readonly SchemaVersion[]
  },
): Decision<Registration> {
  const version = view.nextVersion(subject)
  const asked = askedVersion(request)
  if (typeof asked === 'number' && asked !== version) {
    return refusal(failed('INVALID_SCHEMA', 'Version is not one more than previous version'))
  }
  const verdict = judgement.verdict()
  if (!verdict.isCompatible) {
    return refusal(
      failed(
        'INCOMPATIBLE_SCHEMA',
        `Schema being registered is incompatible with an earlier schema for subject "${subject}", details: [${verdict.messages.join(', ')}]`,
      ),
    )
  }
  const context = contextOf(subject)
  const { image } = view
  const { content } = judgement
  const beside = before.filter((version) => contextOf(version.subject) === context)
  const same = beside.find((version) => contentKey(version) === contentKey(content))
  const highestId = Math.max(image.highestId(context), ...beside.map((version) => version.schemaId))
  const schemaId = image.idOfContent(context, content) ?? same?.schemaId ?? highestId + 1
  if (schemaId > SCHEMA_ID_MAX) {
    return refusal(failed('OPERATION_NOT_PERMITTED', 'All schema ids are in use'))
  }
  return writeVersion(view, newVersion(content, { subject, version, schemaId }))
}

/** Takes id and version as they come from another registry; nothing is compared. */
function decideImport(
  view: SubjectView,
  subject: string,
  { request, content }: { readonly request: SchemaRequest; readonly content: SchemaContent },
): Decision<Registration> {
  const { schemaId } = request
  if (schemaId === undefined || schemaId < 1 || schemaId > SCHEMA_ID_MAX) {
    return refusal(
      failed(
        'OPERATION_NOT_PERMITTED',
        `Subject ${subject} in context ${contextOf(subject)} is not in read-write mode`,
      ),
    )
  }
  const holder = view.image.withId(contextOf(subject), schemaId)[0]
  if (holder !== undefined && contentKey(holder) !== contentKey(content)) {
    return refusal(
      failed(
        'OPERATION_NOT_PERMITTED',
        `Overwrite new schema with id ${schemaId} is not permitted.`,
      ),
    )
  }
  const isGiven = request.version !== undefined && request.version > 0
  const version = isGiven ? (request.version ?? 1) : view.nextVersion(subject)
  const imported = newVersion(content, { subject, version, schemaId })
  const current = view.image.version(subject, version)
  if (current !== undefined && contentKey(current) === contentKey(imported) && !current.isDeleted) {
    return { records: [], response: success(current) }
  }
  if (current === undefined) return writeVersion(view, imported)
  const isSame = contentKey(current) === contentKey(imported)
  if (!isSame && view.image.referrers(subject, version, { deleted: true }).length > 0) {
    return refusal(referenceExists(current))
  }
  const { records, response } = writeVersion(view, imported)
  // Compaction would free the id that is replaced.
  return { records: [{ kind: 'noop', highestIds: view.image.highestIds }, ...records], response }
}

function writeVersion(view: SubjectView, value: SchemaVersion): Decision<Registration> {
  const { subject, version } = value
  const records: RegistryRecord[] = [{ kind: 'schema', subject, version, value }]
  // The same schema under its old, soft-deleted version would be a second answer to one question.
  for (const old of view.versions(subject, { deletedOnly: true })) {
    const isReplaced = old.schemaId === value.schemaId && old.version !== version
    const referrers = view.image.referrers(subject, old.version, { deleted: true })
    if (isReplaced && referrers.length === 0) {
      records.push({ kind: 'schema', subject, version: old.version, value: null })
    }
  }
  return { records, response: success(value) }
}

function newVersion(
  { schemaType, schema, references, metadata, ruleSet }: SchemaContent,
  place: { readonly subject: string; readonly version: number; readonly schemaId: number },
): SchemaVersion {
  return {
    ...place,
    schemaType,
    references,
    schema,
    ...(metadata === undefined ? {} : { metadata }),
    ...(ruleSet === undefined ? {} : { ruleSet }),
    isDeleted: false,
    otherMembers: new Map(),
  }
}

/** `@throws` nothing: a subject is any text but the reserved names, without control characters. */
export function checkSubject(subject: string): Outcome<void> {
  const isReserved = ['', '__GLOBAL', '__EMPTY'].includes(subject) || isContextName(subject)
  const hasControl = /\p{Cc}/u.test(subject)
  if (!isReserved && !hasControl) return success(undefined)
  return failed('INVALID_SUBJECT', `The specified subject '${subject}' is not a valid.`)
}
