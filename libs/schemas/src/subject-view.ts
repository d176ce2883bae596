import { compareText } from '@fairlead/avro'
import { DEFAULT_CONTEXT, contextOf, qualifiedLike, scopesOf } from './context.ts'
import { type Outcome, failed, success } from './failure.ts'
import { hasConfluentVersion, withConfluentVersion } from './confluent-version.ts'
import { type SchemaExtras, mergeExtras } from './metadata.ts'
import type { GivenSchema, ParsedSchemas } from './parsed-schemas.ts'
import { SCHEMA_TYPES, type SchemaReference, type SchemaVersion, type Settings } from './records.ts'
import type { SchemaRequest } from './schema-request.ts'
import { askedVersion } from './schema-request.ts'
import type { RegistryImage, SchemaContent } from './registry-image.ts'
import { type SchemaDocument, documentText } from './schema-document.ts'
import type { CompatibilityLevel, Mode, VersionNumber } from './settings.ts'
import type { TagChange } from './tags/schema-tags.ts'

/** A schema of a request: parsed, and in the form in which it would be stored. */
export type Candidate = SchemaContent & {
  readonly document: SchemaDocument
  /** Metadata and rules by which the request may mean a version that is stored already. */
  readonly given: SchemaExtras
  /** As it would be stored, without a number of its own. */
  readonly merged: SchemaExtras
}

export type Visibility = {
  /** Soft-deleted versions too. */
  readonly deleted?: boolean
  readonly deletedOnly?: boolean
}

/** How requests and messages write `latest` as a number. */
const LATEST_VERSION = -1

const NO_SETTINGS: Settings = {
  compatibilityLevel: undefined,
  normalize: undefined,
  otherMembers: new Map(),
}

/** The registry as requests see it: subjects with their live versions, and the rules in force. */
export class SubjectView {
  readonly image: RegistryImage
  readonly #defaultLevel: CompatibilityLevel

  constructor(image: RegistryImage, defaultLevel: CompatibilityLevel) {
    this.image = image
    this.#defaultLevel = defaultLevel
  }

  /** Names of subjects that have a visible version, sorted. */
  subjects(visibility: Visibility): string[] {
    return [...this.image.subjects]
      .filter((subject) => this.versions(subject, visibility).length > 0)
      .sort(compareText)
  }

  versions(subject: string, { deleted = false, deletedOnly = false }: Visibility): SchemaVersion[] {
    return this.image
      .versions(subject)
      .filter(({ isDeleted }) => (deletedOnly ? isDeleted : deleted || !isDeleted))
  }

  /** One visible version; `latest` is the newest that is not deleted, whatever else is visible. */
  version(
    subject: string,
    version: VersionNumber,
    visibility: Pick<Visibility, 'deleted'>,
  ): Outcome<SchemaVersion> {
    const versions = this.versions(subject, visibility)
    const found =
      version === 'latest'
        ? versions.findLast(({ isDeleted }) => !isDeleted)
        : versions.find((candidate) => candidate.version === version)
    if (found !== undefined) return success(found)
    if (versions.length === 0) {
      return failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`)
    }
    const label = version === 'latest' ? LATEST_VERSION : version
    return failed('VERSION_NOT_FOUND', `Version ${label} not found.`)
  }

  /**
   * Versions with this id in the context of `subject`; without a subject, in the default context,
   * and else in the first other one that has it.
   */
  withId(schemaId: number, subject?: string): readonly SchemaVersion[] {
    const own = this.image.withId(contextOf(subject ?? ''), schemaId)
    if (own.length > 0 || contextOf(subject ?? '') !== DEFAULT_CONTEXT) return own
    for (const context of this.image.contexts) {
      const found = this.image.withId(context, schemaId)
      if (found.length > 0) return found
    }
    return []
  }

  /**
   * The schema of an id, soft-deleted or not: old data must stay readable. Only versions of subjects
   * that `mayRead` lets pass answer for it.
   */
  schema(
    schemaId: number,
    subject?: string,
    mayRead: (subject: string) => boolean = () => true,
  ): Outcome<SchemaVersion> {
    const holders = this.withId(schemaId, subject).filter((holder) => mayRead(holder.subject))
    return liveOrAny(holders, String(schemaId))
  }

  /** As `schema`, by the id that is the same in every registry. */
  schemaByGuid(guid: string, mayRead: (subject: string) => boolean): Outcome<SchemaVersion> {
    const holders = this.image.withGuid(guid.toLowerCase())
    return liveOrAny(
      holders.filter(({ subject }) => mayRead(subject)),
      guid,
    )
  }

  globalSettings(): Settings {
    const settings = this.image.settings(undefined) ?? NO_SETTINGS
    return { ...settings, compatibilityLevel: settings.compatibilityLevel ?? this.#defaultLevel }
  }

  /** Subject, context, global: each setting from the nearest scope that has it. */
  effectiveSettings(
    subject: string,
  ): Settings & { readonly compatibilityLevel: CompatibilityLevel } {
    const scopes = scopesOf(subject).flatMap((scope) => this.image.settings(scope) ?? [])
    return {
      compatibilityLevel:
        scopes.find((scope) => scope.compatibilityLevel)?.compatibilityLevel ?? this.#defaultLevel,
      normalize: scopes.find((scope) => scope.normalize !== undefined)?.normalize,
      otherMembers: new Map(scopes.toReversed().flatMap((scope) => [...scope.otherMembers])),
    }
  }

  /** One of the settings that are texts, such as `alias`; empty is as good as none. */
  settingText(subject: string, name: string): string | undefined {
    const value = this.effectiveSettings(subject).otherMembers.get(name)
    return value?.kind === 'string' && value.value !== '' ? value.value : undefined
  }

  /** The subject that is meant: its `alias`, if it has one. */
  aliased(subject: string): string {
    const alias = this.image.settings(subject)?.otherMembers.get('alias')
    if (alias?.kind !== 'string' || alias.value === '') return subject
    return qualifiedLike(subject, alias.value)
  }

  globalMode(): Mode {
    return this.image.mode(undefined) ?? 'READWRITE'
  }

  effectiveMode(subject: string | undefined): Mode {
    const global = this.globalMode()
    if (global === 'READONLY_OVERRIDE') return global
    const scope = scopesOf(subject).find((name) => this.image.mode(name) !== undefined)
    return this.image.mode(scope) ?? global
  }

  /** Refuses a write in a read-only mode. */
  checkWritable(subject: string | undefined): Outcome<void> {
    const mode = this.effectiveMode(subject)
    if (mode === 'READWRITE' || mode === 'IMPORT') return success(undefined)
    const context = contextOf(subject ?? '')
    const what =
      subject === undefined ? `Context ${context}` : `Subject ${subject} in context ${context}`
    return failed('OPERATION_NOT_PERMITTED', `${what} is in read-only mode`)
  }

  /** The number that the next version of the subject gets: soft-deleted ones keep theirs. */
  nextVersion(subject: string): number {
    return (this.image.versions(subject).at(-1)?.version ?? 0) + 1
  }

  /**
   * Parses the schema of a request, writes its tags, resolves `-1` in its references, and prints it
   * canonically. Unless `isKnown`, it must satisfy what holds for new schemas where the subject asks
   * for that.
   */
  candidate(
    schemas: ParsedSchemas,
    subject: string,
    request: SchemaRequest,
    { isKnown = false }: { readonly isKnown?: boolean } = {},
  ): Outcome<Candidate> {
    const schemaType = SCHEMA_TYPES.find((type) => type === request.schemaType)
    if (schemaType === undefined) {
      const types = SCHEMA_TYPES.join(', ')
      return failed(
        'INVALID_SCHEMA',
        `Invalid schema type ${request.schemaType}: the types are ${types}`,
      )
    }
    const references = this.#resolvedReferences(subject, request.references)
    const settings = this.effectiveSettings(subject)
    // What is imported stays as it is.
    const isImported = this.effectiveMode(subject) === 'IMPORT'
    const normalize = !isImported && (request.normalize || settings.normalize === true)
    const isNew = !isKnown && !hasId(request) && validatesNewSchemas(settings)
    const unparsed = { schemaType, references, normalize, isNew }
    const text = this.#text(schemas, subject, { request, ...unparsed })
    if (!text.ok) return text
    const document = schemas.parseGiven(subject, { ...unparsed, schema: text.value })
    if (!document.ok) return document
    const schema = documentText(document.value, normalize ? 'normalized' : 'stored')
    if (schema !== text.value) {
      const readBack = schemas.parseBack(subject, { schemaType, schema, references, isNew })
      if (!readBack.ok) return readBack
    }
    return success({
      ...this.#extras(subject, request),
      schemaType,
      schema,
      references: normalize ? references.toSorted(compareReferences) : references,
      document: document.value,
    })
  }

  /** The schema of the request, or the latest one, with the tags that are asked for. */
  #text(
    schemas: ParsedSchemas,
    subject: string,
    { request, ...unparsed }: Omit<GivenSchema, 'schema'> & { readonly request: SchemaRequest },
  ): Outcome<string> {
    const { schemaTags, propagateSchemaTags } = request
    const latest = this.versions(subject, {}).at(-1)
    const isEmpty = request.schema.trim() === ''
    const own = isEmpty && schemaTags === undefined ? latest?.schema : request.schema
    if (own === undefined || own.trim() === '') return failed('INVALID_SCHEMA', 'Empty schema')
    let text = success(own)
    const change = (add: TagChange): void => {
      if (text.ok) text = schemas.retagged(subject, { ...unparsed, schema: text.value }, add)
    }
    if (schemaTags !== undefined) change(schemaTags)
    if (propagateSchemaTags !== true || latest === undefined) return text
    // What is imported stays as it is.
    if (this.effectiveMode(subject) === 'IMPORT') return text
    const tags = schemas.ownTags(latest)
    if (!tags.ok) return tags
    if (tags.value.length > 0) change({ add: tags.value, remove: [] })
    return text
  }

  /** Metadata and rules: the defaults, then what is given or the latest version has, the overrides. */
  #extras(
    subject: string,
    request: SchemaRequest,
  ): SchemaExtras & { readonly given: SchemaExtras; readonly merged: SchemaExtras } {
    const given = extrasOf(request)
    // What is imported comes with all that it has.
    if (this.effectiveMode(subject) === 'IMPORT') return { ...given, given, merged: given }
    const { otherMembers } = this.effectiveSettings(subject)
    const layer = (prefix: string): SchemaExtras => {
      const [metadata, ruleSet] = [`${prefix}Metadata`, `${prefix}RuleSet`].map((name) =>
        otherMembers.get(name),
      )
      return {
        ...(metadata?.kind === 'object' ? { metadata } : {}),
        ...(ruleSet?.kind === 'object' ? { ruleSet } : {}),
      }
    }
    const layers = { before: layer('default'), after: layer('override') }
    const own = extrasOf({ ...this.versions(subject, {}).at(-1), ...given })
    const merged = mergeExtras(layers.before, own, layers.after)
    const isNumbered = askedVersion(request) !== 'any' || hasConfluentVersion(merged)
    const stored = isNumbered ? withConfluentVersion(merged, this.nextVersion(subject)) : merged
    const isMerging = Object.keys({ ...layers.before, ...layers.after }).length > 0
    // With defaults and overrides in force, what was stored before them is another content.
    return { ...stored, given: isMerging ? merged : given, merged }
  }

  #resolvedReferences(parent: string, references: readonly SchemaReference[]): SchemaReference[] {
    return references.map((reference) => {
      if (reference.version !== -1) return reference
      const latest = this.versions(qualifiedLike(parent, reference.subject), {}).at(-1)
      return latest === undefined ? reference : { ...reference, version: latest.version }
    })
  }
}

/** Only an import gives an id: of a schema that another registry took. */
function hasId({ schemaId = -1 }: SchemaRequest): boolean {
  return schemaId >= 0
}

function validatesNewSchemas({ otherMembers }: Settings): boolean {
  const value = otherMembers.get('validateNewSchemas')
  return value?.kind !== 'boolean' || value.value
}

function extrasOf({ metadata, ruleSet }: SchemaExtras): SchemaExtras {
  return {
    ...(metadata === undefined ? {} : { metadata }),
    ...(ruleSet === undefined ? {} : { ruleSet }),
  }
}

function liveOrAny(holders: readonly SchemaVersion[], label: string): Outcome<SchemaVersion> {
  const found = holders.find(({ isDeleted }) => !isDeleted) ?? holders[0]
  if (found !== undefined) return success(found)
  return failed('SCHEMA_NOT_FOUND', `Schema ${label} not found`)
}

function compareReferences(left: SchemaReference, right: SchemaReference): number {
  return (
    compareText(left.name, right.name) ||
    compareText(left.subject, right.subject) ||
    left.version - right.version
  )
}
