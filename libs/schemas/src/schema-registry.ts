import type { Md5 } from '@fairlead/avro'
import { assertNever, invariant } from '@fairlead/base'
import type { Association } from './associations/association.ts'
import type { Resource } from './associations/association-request.ts'
import {
  type AssociationsAnswer,
  decideAssociations,
  decideDeleteAssociations,
} from './associations/decide-associations.ts'
import type { PlannedAssociation } from './associations/planned-association.ts'
import { type Decision, refusal } from './decision.ts'
import { type DeleteOptions, decideDeleteSubject, decideDeleteVersion } from './delete.ts'
import { type Outcome, failed, mapped, success } from './failure.ts'
import { findVersion, findWithoutExtras } from './find-version.ts'
import type { SchemaChange } from './explain/avro-changes.ts'
import { type Explanation, documentChanges, explainCompatibility } from './explain/explain.ts'
import {
  type Inquiry,
  type InquiryAnswer,
  type InquiryBasis,
  type InquiryOf,
  inquiryBasis,
} from './inquiry.ts'
import { type JudgedSchema, type Judgement, judge } from './judgement.ts'
import { type DocumentsByText, ParsedSchemas, type Profile } from './parsed-schemas.ts'
import type { Mode, VersionNumber } from './settings.ts'
import type { Registration } from './register.ts'
import type { SchemaRequest } from './schema-request.ts'
import { decideRegister } from './register.ts'
import type { RegistryRecord, SchemaVersion, Settings } from './records.ts'
import type { SchemaContent } from './registry-image.ts'
import { RegistryLog } from './registry-log.ts'
import type { CompatibilityLevel } from './settings.ts'
import {
  type SettingsChange,
  decideDeleteContext,
  decideDeleteMode,
  decideMode,
  decideSettings,
} from './settings-decisions.ts'
import { formattedText } from './schema-document.ts'
import { readerMessages } from './check-reader.ts'
import { SubjectView } from './subject-view.ts'
import {
  type CompatibilityVerdict,
  type RegistryParts,
  checkCompatibility,
} from './check-compatibility.ts'

export type SchemaRegistryOptions = {
  readonly defaultCompatibilityLevel: CompatibilityLevel
  /** Default 8. */
  readonly profile?: Profile
  /** Of the texts of schemas that stay parsed; default 16 million. */
  readonly parsedLengthMax?: number
}

/**
 * The schema registry as a state machine over the topic `_schemas`.
 *
 * A `decide…` method reads the image and returns records and a response; it changes nothing. The
 * shell writes the records with the expected offset `log.nextOffset`, replays what it reads back,
 * and answers once its own records have counted; when another writer came first, it decides again.
 * State changes only in `log.replay`.
 */
export class SchemaRegistry {
  readonly log: RegistryLog
  readonly options: SchemaRegistryOptions
  readonly profile: Profile
  readonly #view: SubjectView
  readonly #schemas: ParsedSchemas

  /**
   * @param means a quicker digest of GUIDs, if the platform has one; documents that outlive the registry.
   */
  constructor(
    options: SchemaRegistryOptions,
    means: { readonly digest?: Md5; readonly documentsByText?: DocumentsByText | undefined } = {},
  ) {
    this.options = options
    this.log = new RegistryLog(means.digest)
    this.profile = options.profile ?? 8
    this.#schemas = new ParsedSchemas(this.log.image, this.profile, {
      parsedLengthMax: options.parsedLengthMax,
      documentsByText: means.documentsByText,
    })
    this.#view = new SubjectView(this.log.image, options.defaultCompatibilityLevel)
  }

  /** What is stored, for reading. */
  get view(): SubjectView {
    return this.#view
  }

  /** @param judged the answer to the inquiry of kind `judge`, if nothing of its basis has changed. */
  decideRegister(
    subject: string,
    request: SchemaRequest,
    judged?: InquiryAnswer<'judge'>,
  ): Decision<Registration> {
    const judgement = judged && this.#judgementOf(subject, judged)
    return decideRegister(this.#parts, subject, request, judgement)
  }

  /**
   * Makes or changes the associations of a resource as `planned`, which is what `planAssociations` makes of a
   * request on the image as it is now.
   *
   * @param judged the answers to inquiries of kind `judge` for the schemas of the plans.
   */
  decideAssociations(
    resource: Resource,
    {
      judged,
      ...change
    }: {
      readonly planned: readonly PlannedAssociation[]
      readonly judged: readonly (InquiryAnswer<'judge'> | undefined)[]
      readonly isCreate: boolean
      readonly isDryRun: boolean
      readonly newGuid: () => string
    },
  ): Decision<AssociationsAnswer> {
    const judgements = change.planned.map(({ subject }, index) => {
      const answer = judged[index]
      return answer && this.#judgementOf(subject, answer)
    })
    return decideAssociations(this.#parts, resource, { ...change, judged: judgements })
  }

  /** Takes associations away that are stored. */
  decideDeleteAssociations(
    associations: readonly Association[],
    options: { readonly isCascade: boolean; readonly isDryRun: boolean },
  ): Decision<readonly Association[]> {
    return decideDeleteAssociations(this.#view, associations, options)
  }

  /** Answers what takes reading schemas; `inquiryBasis` tells on what the answer depends. */
  answer<Kind extends Inquiry['kind']>(inquiry: InquiryOf<Kind>): InquiryAnswer<Kind> {
    return this.#answer(inquiry) as InquiryAnswer<Kind>
  }

  inquiryBasis(inquiry: Inquiry): InquiryBasis {
    return inquiryBasis(this.#view, inquiry)
  }

  decideDeleteSubject(subject: string, options: DeleteOptions): Decision<readonly number[]> {
    return decideDeleteSubject(this.#view, subject, options)
  }

  decideDeleteVersion(
    subject: string,
    version: VersionNumber,
    options: DeleteOptions,
  ): Decision<number> {
    return decideDeleteVersion(this.#view, subject, version, options)
  }

  decideSettings(subject: string | undefined, change: SettingsChange): Decision<Settings> {
    return decideSettings(this.#view, subject, change)
  }

  /** Removes the settings of the subject, or the global ones, and answers what they were. */
  decideDeleteSettings(subject: string | undefined): Decision<Settings> {
    const settings = this.#view.image.settings(subject)
    if (settings === undefined && subject !== undefined) return refusal(subjectNotFound(subject))
    const record = { kind: 'config', subject, value: null } as const
    return {
      records: settings === undefined ? [] : [record],
      response: success(settings ?? this.#view.globalSettings()),
    }
  }

  decideMode(
    subject: string | undefined,
    mode: string | undefined,
    options: { readonly force: boolean },
  ): Decision<Mode> {
    return decideMode(this.#view, { subject, mode, ...options })
  }

  decideDeleteMode(
    subject: string | undefined,
    options: { readonly recursive: boolean },
  ): Decision<Mode> {
    return decideDeleteMode(this.#view, { subject, ...options })
  }

  /** A context that still has schemas, soft-deleted ones included, is refused. */
  decideDeleteContext(context: string): Decision<void> {
    return decideDeleteContext(this.#view, context)
  }

  /** The version of the subject that has this schema. */
  lookup(
    subject: string,
    request: SchemaRequest,
    options: { readonly deleted: boolean },
  ): Outcome<SchemaVersion> {
    const versions = this.#view.versions(subject, options)
    if (versions.length === 0) return subjectNotFound(subject)
    const candidate = this.#view.candidate(this.#schemas, subject, request, { isKnown: true })
    if (!candidate.ok) return candidate
    const found =
      findVersion(this.#parts, versions, candidate.value) ??
      findWithoutExtras(versions, request, candidate.value)
    return found === undefined ? failed('SCHEMA_NOT_FOUND', 'Schema not found') : success(found)
  }

  /** As `checkCompatibility`, with every reason, what would mend it, and what is dangerous. */
  explainCompatibility(
    subject: string,
    version: VersionNumber | undefined,
    request: SchemaRequest,
  ): Outcome<Explanation> {
    return explainCompatibility(this.#parts, { subject, version, request })
  }

  /** The text of a version in `format`, or as it is stored where its type has no such format. */
  textOf(version: SchemaVersion, format: string | undefined): Outcome<string> {
    if (format === undefined || format === '') return success(version.schema)
    const parsed = this.#schemas.parseStored(version)
    if (!parsed.ok) return parsed
    return success(formattedText(parsed.value, format) ?? version.schema)
  }

  /** What changed in meaning from one version to another. */
  changes(old: SchemaVersion, next: SchemaVersion): Outcome<readonly SchemaChange[]> {
    const [before, after] = [this.#schemas.parseStored(old), this.#schemas.parseStored(next)]
    if (!before.ok) return before
    return after.ok ? success(documentChanges(before.value, after.value)) : after
  }

  /** Why a consumer that reads with `reader` could not read what `next` would write. */
  readerMessages(
    subject: string,
    next: SchemaRequest,
    reader: SchemaRequest,
  ): Outcome<readonly string[]> {
    return readerMessages(this.#parts, { subject, next, reader })
  }

  /** Checks against one version, or against all that the subject's level names. */
  checkCompatibility(
    subject: string,
    version: VersionNumber | undefined,
    request: SchemaRequest,
  ): Outcome<CompatibilityVerdict> {
    return checkCompatibility(this.#parts, { subject, version, request })
  }

  get #parts(): RegistryParts {
    return { view: this.#view, schemas: this.#schemas }
  }

  #answer(inquiry: Inquiry): InquiryAnswer<Inquiry['kind']> {
    const { kind, subject } = inquiry
    switch (kind) {
      case 'judge':
        return this.#judged(subject, inquiry.request)
      case 'lookup': {
        const { request, deleted } = inquiry
        return mapped(this.lookup(subject, request, { deleted }), ({ version }) => version)
      }
      case 'check': {
        const verdict = this.checkCompatibility(subject, inquiry.version, inquiry.request)
        return mapped(verdict, withoutDocuments)
      }
      case 'explain': {
        const explained = this.explainCompatibility(subject, inquiry.version, inquiry.request)
        return mapped(explained, (explanation) => ({
          ...explanation,
          verdict: withoutDocuments(explanation.verdict),
        }))
      }
      case 'reader':
        return this.readerMessages(subject, inquiry.request, inquiry.reader)
      case 'text':
        return this.textOf(inquiry.of, inquiry.format)
      case 'tags':
        return inquiry.ofReferences
          ? this.#schemas.tags(inquiry.of)
          : this.#schemas.ownTags(inquiry.of)
      default:
        return assertNever(kind)
    }
  }

  #judged(subject: string, request: SchemaRequest): Outcome<JudgedSchema> {
    return mapped(judge(this.#parts, subject, request), ({ content, found, verdict }) => {
      const judged = {
        content: withoutDocument(content),
        foundVersion: undefined,
        verdict: undefined,
      }
      // What is imported is compared with nothing.
      if (this.#view.effectiveMode(subject) === 'IMPORT') return judged
      const foundVersion = found()?.version
      if (foundVersion !== undefined) return { ...judged, foundVersion }
      return { ...judged, verdict: withoutDocuments(verdict()) }
    })
  }

  #judgementOf(subject: string, judged: Outcome<JudgedSchema>): Outcome<Judgement> {
    return mapped(judged, ({ content, foundVersion, verdict }) => ({
      content,
      found: () => this.#view.versions(subject, {}).find(({ version }) => version === foundVersion),
      verdict: () => {
        invariant(verdict !== undefined, 'a schema that is new to its subject was compared')
        return verdict
      },
    }))
  }
}

/** One inquiry reads a version twice at most: the newest one, which is large. */
const PARSED_LENGTH_APART_MAX = 2_000_000

/**
 * As `SchemaRegistry.answer`, from the records of the inquiry's basis alone. What it parses of stored
 * schemas without references goes to `documentsByText`, and is taken from there.
 */
export function answerApart(
  options: SchemaRegistryOptions,
  records: readonly RegistryRecord[],
  inquiry: Inquiry,
  documentsByText?: DocumentsByText,
): InquiryAnswer<Inquiry['kind']> {
  const parsedLengthMax = PARSED_LENGTH_APART_MAX
  const registry = new SchemaRegistry({ ...options, parsedLengthMax }, { documentsByText })
  for (const record of records) registry.log.image.apply(record)
  return registry.answer(inquiry)
}

function withoutDocument({
  schemaType,
  schema,
  references,
  metadata,
  ruleSet,
}: SchemaContent): SchemaContent {
  return {
    schemaType,
    schema,
    references,
    ...(metadata === undefined ? {} : { metadata }),
    ...(ruleSet === undefined ? {} : { ruleSet }),
  }
}

function withoutDocuments({ isCompatible, messages }: CompatibilityVerdict): CompatibilityVerdict {
  return { isCompatible, messages }
}

function subjectNotFound(subject: string): Outcome<never> {
  return failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`)
}
