import { compareText } from '@fairlead/avro'
import { DEFAULT_CONTEXT, contextOf, qualifiedLike, scopesOf } from './context.ts'
import { type Outcome, failed, success } from './failure.ts'
import { type SchemaExtras, extrasKey, mergeExtras } from './metadata.ts'
import type { ParsedSchemas } from './parsed-schemas.ts'
import { SCHEMA_TYPES, type SchemaReference, type SchemaVersion, type Settings } from './records.ts'
import type { SchemaRequest } from './register.ts'
import { type RegistryImage, type SchemaContent, contentKey } from './registry-image.ts'
import { type SchemaDocument, documentText } from './schema-document.ts'
import type { CompatibilityLevel, Mode, VersionNumber } from './settings.ts'

/** A schema of a request: parsed, and in the form in which it would be stored. */
export type Candidate = SchemaContent & { readonly document: SchemaDocument }

export type Visibility = {
  /** Soft-deleted versions too. */
  readonly deleted?: boolean
  readonly deletedOnly?: boolean
}

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

  /** One visible version; `latest` is the newest visible one. */
  version(subject: string, version: VersionNumber, visibility: Visibility): Outcome<SchemaVersion> {
    const versions = this.versions(subject, visibility)
    const found =
      version === 'latest'
        ? versions.at(-1)
        : versions.find((candidate) => candidate.version === version)
    if (found !== undefined) return success(found)
    if (versions.length === 0 && this.image.versions(subject).length === 0) {
      return failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`)
    }
    return failed('VERSION_NOT_FOUND', `Version ${version} not found.`)
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

  /** Parses the schema of a request, resolves `-1` in its references, and prints it canonically. */
  candidate(schemas: ParsedSchemas, subject: string, request: SchemaRequest): Outcome<Candidate> {
    const schemaType = SCHEMA_TYPES.find((type) => type === request.schemaType)
    if (schemaType === undefined) {
      const types = SCHEMA_TYPES.join(', ')
      return failed(
        'INVALID_SCHEMA',
        `Invalid schema type ${request.schemaType}: the types are ${types}`,
      )
    }
    const references = this.#resolvedReferences(subject, request.references)
    const text = request.schema.trim() === '' ? this.#latestText(subject) : request.schema
    if (text === undefined) return failed('INVALID_SCHEMA', 'Empty schema')
    const normalize = request.normalize || this.effectiveSettings(subject).normalize === true
    const document = schemas.parseNew(subject, { schemaType, schema: text, references, normalize })
    if (!document.ok) return document
    const schema = documentText(document.value, normalize ? 'normalized' : 'stored')
    if (schema !== text) {
      const readBack = schemas.parseBack(subject, { schemaType, schema, references })
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

  /**
   * The newest version with the same content; failing that, one that differs only in what Confluent
   * calls equivalent: order of properties and aliases, referenced types written out.
   */
  find(
    schemas: ParsedSchemas,
    versions: readonly SchemaVersion[],
    candidate: Candidate,
  ): SchemaVersion | undefined {
    const key = contentKey(candidate)
    const newestFirst = versions.toReversed()
    const same = newestFirst.find((version) => contentKey(version) === key)
    if (same !== undefined || candidate.schemaType !== 'AVRO') return same

    const text = documentText(candidate.document, 'equivalence')
    return newestFirst.find((version) => {
      if (version.schemaType !== candidate.schemaType) return false
      if (extrasKey(version) !== extrasKey(candidate)) return false
      if (!mayBeEquivalent(version.references, candidate.references)) return false
      const document = schemas.parseStored(version)
      return document.ok && documentText(document.value, 'equivalence') === text
    })
  }

  /** Who asks without metadata and rules means the schema, whatever it carries. */
  findWithoutExtras(
    versions: readonly SchemaVersion[],
    request: SchemaRequest,
    candidate: Candidate,
  ): SchemaVersion | undefined {
    if (request.metadata !== undefined || request.ruleSet !== undefined) return undefined
    const keyOf = ({ schemaType, schema, references }: SchemaContent): string =>
      contentKey({ schemaType, schema, references })
    const key = keyOf(candidate)
    return versions.toReversed().find((version) => keyOf(version) === key)
  }

  /** Metadata and rules: the defaults, then what is given or the latest version has, the overrides. */
  #extras(subject: string, request: SchemaRequest): SchemaExtras {
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
    const { metadata, ruleSet } = { ...this.versions(subject, {}).at(-1), ...given(request) }
    const own = {
      ...(metadata === undefined ? {} : { metadata }),
      ...(ruleSet === undefined ? {} : { ruleSet }),
    }
    return mergeExtras(layer('default'), own, layer('override'))
  }

  #resolvedReferences(parent: string, references: readonly SchemaReference[]): SchemaReference[] {
    return references.map((reference) => {
      if (reference.version !== -1) return reference
      const latest = this.versions(qualifiedLike(parent, reference.subject), {}).at(-1)
      return latest === undefined ? reference : { ...reference, version: latest.version }
    })
  }

  #latestText(subject: string): string | undefined {
    return this.versions(subject, {}).at(-1)?.schema
  }
}

function given({ metadata, ruleSet }: SchemaRequest): SchemaExtras {
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

function mayBeEquivalent(
  left: readonly SchemaReference[],
  right: readonly SchemaReference[],
): boolean {
  return left.length === 0 || right.length === 0 || JSON.stringify(left) === JSON.stringify(right)
}

function compareReferences(left: SchemaReference, right: SchemaReference): number {
  return (
    compareText(left.name, right.name) ||
    compareText(left.subject, right.subject) ||
    left.version - right.version
  )
}
