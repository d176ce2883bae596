import type { CompatibilityVerdict } from './check-compatibility.ts'
import { qualifiedLike, scopesOf } from './context.ts'
import type { Explanation } from './explain/explain.ts'
import type { Outcome } from './failure.ts'
import type { JudgedSchema } from './judgement.ts'
import type { RegistryRecord, SchemaReference, SchemaVersion } from './records.ts'
import type { SchemaRequest } from './schema-request.ts'
import type { VersionNumber } from './settings.ts'
import type { SubjectView } from './subject-view.ts'
import type { SchemaTags, TagChange } from './tags/schema-tags.ts'

/**
 * A question that takes parsing, printing or comparing of schemas. The answer depends on nothing but the
 * question and a small part of the image, so that another thread can find it.
 */
export type Inquiry =
  | { readonly kind: 'judge'; readonly subject: string; readonly request: SchemaRequest }
  | {
      readonly kind: 'lookup'
      readonly subject: string
      readonly request: SchemaRequest
      readonly deleted: boolean
    }
  | (VersionQuestion & { readonly kind: 'check' })
  | (VersionQuestion & { readonly kind: 'explain' })
  | {
      readonly kind: 'reader'
      readonly subject: string
      readonly request: SchemaRequest
      readonly reader: SchemaRequest
    }
  | {
      readonly kind: 'text'
      readonly subject: string
      readonly of: SchemaVersion
      readonly format: string
    }
  | {
      readonly kind: 'tags'
      readonly subject: string
      readonly of: SchemaVersion
      /** Also those of the schemas that it refers to. */
      readonly ofReferences: boolean
    }

type VersionQuestion = {
  readonly subject: string
  readonly version: VersionNumber | undefined
  readonly request: SchemaRequest
}

/** Values that can be copied to another thread: a version is told by its number. */
export type Answers = {
  readonly judge: JudgedSchema
  readonly lookup: number
  readonly check: CompatibilityVerdict
  readonly explain: Explanation
  readonly reader: readonly string[]
  readonly text: string
  readonly tags: readonly SchemaTags[]
}

export type InquiryOf<Kind extends Inquiry['kind']> = Extract<Inquiry, { readonly kind: Kind }>
export type InquiryAnswer<Kind extends Inquiry['kind']> = Outcome<Answers[Kind]>

/** The part of an image that an inquiry depends on; equal parts give equal answers. */
export type InquiryBasis = {
  readonly subject: string
  readonly versions: readonly SchemaVersion[]
  /** Settings and modes of the subject's scopes. */
  readonly settings: readonly RegistryRecord[]
  /** Of all texts that may be read, the question's included, in UTF-16 units. */
  readonly textLength: number
}

/** Found without reading any schema. */
export function inquiryBasis(view: SubjectView, inquiry: Inquiry): InquiryBasis {
  const { subject } = inquiry
  const { image } = view
  const requests = [
    ...('request' in inquiry ? [inquiry.request] : []),
    ...('reader' in inquiry ? [inquiry.reader] : []),
  ]
  const versions = new Set<SchemaVersion>()
  const add = (version: SchemaVersion | undefined): void => {
    if (version === undefined || versions.has(version)) return
    versions.add(version)
    addReferred(version.subject, version.references)
  }
  const addReferred = (parent: string, references: readonly SchemaReference[]): void => {
    for (const reference of references) {
      const target = qualifiedLike(parent, reference.subject)
      const latest = (): SchemaVersion | undefined => view.versions(target, {}).at(-1)
      add(reference.version === -1 ? latest() : image.version(target, reference.version))
    }
  }
  if ('of' in inquiry) add(inquiry.of)
  else view.versions(subject, { deleted: isOfDeleted(inquiry) }).forEach(add)
  // Soft-deleted or not, it tells the number of the next one.
  if (inquiry.kind === 'judge') add(image.versions(subject).at(-1))
  for (const { references } of requests) addReferred(subject, references)

  const lengths = [
    ...[...versions, ...requests].map(({ schema }) => schema.length),
    ...requests.map(({ schemaTags }) => (schemaTags === undefined ? 0 : tagsLength(schemaTags))),
  ]
  return {
    subject,
    versions: [...versions],
    settings: settingsOf(view, subject),
    textLength: lengths.reduce((sum, length) => sum + length, 0),
  }
}

function tagsLength({ add, remove }: TagChange): number {
  return [...add, ...remove]
    .flatMap(({ schemaEntity, tags }) => [schemaEntity.entityPath, ...tags])
    .reduce((sum, text) => sum + text.length, 0)
}

/** Whether nothing has changed that an answer depends on. */
export function isSameBasis(left: InquiryBasis, right: InquiryBasis): boolean {
  const isSame = (one: readonly unknown[], other: readonly unknown[]): boolean =>
    one.length === other.length && one.every((part, index) => part === other[index])
  const values = ({ settings }: InquiryBasis): readonly unknown[] =>
    settings.map((record) => (record.kind === 'config' || record.kind === 'mode') && record.value)
  if (left.subject !== right.subject) return false
  return isSame(left.versions, right.versions) && isSame(values(left), values(right))
}

/** Records that make an image of the basis alone. */
export function basisRecords({ versions, settings }: InquiryBasis): readonly RegistryRecord[] {
  return [
    ...settings,
    ...versions.map((value) => {
      const { subject, version } = value
      return { kind: 'schema', subject, version, value } as const
    }),
  ]
}

function isOfDeleted(inquiry: Inquiry): boolean {
  return inquiry.kind === 'lookup' && inquiry.deleted
}

function settingsOf({ image }: SubjectView, of: string): readonly RegistryRecord[] {
  return scopesOf(of).flatMap((subject): RegistryRecord[] => [
    { kind: 'config', subject, value: image.settings(subject) ?? null },
    { kind: 'mode', subject, value: image.mode(subject) ?? null },
  ])
}
