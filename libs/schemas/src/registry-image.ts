import { type Md5, schemaGuid } from '@fairlead/avro'
import { invariant } from '@fairlead/base'
import { AssociationIndex } from './associations/association-index.ts'
import { DEFAULT_CONTEXT, contextOf, qualifiedLike } from './context.ts'
import { type SchemaExtras, extrasHashTexts, extrasKey } from './metadata.ts'
import type {
  RegistryRecord,
  SchemaReference,
  SchemaType,
  SchemaVersion,
  Settings,
} from './records.ts'
import type { Mode } from './settings.ts'

/** What makes two schemas one: the same content has the same id in a context. */
export type SchemaContent = SchemaExtras & {
  readonly schemaType: SchemaType
  readonly schema: string
  readonly references: readonly SchemaReference[]
}

/**
 * Everything that the records of `_schemas` add up to. It changes only in `apply`.
 *
 * Invariants
 * - An id belongs to one content in each context: a record that says otherwise is refused.
 * - `highestIds` never fall, whatever is deleted.
 * - The image is a function of the last applied record of each key (and of `highestIds`), so that it
 *   is the same after compaction.
 */
export class RegistryImage {
  /** Subject → version → what is stored, soft-deleted ones included. */
  readonly #subjects = new Map<string, Map<number, SchemaVersion>>()
  /** Context and id, context and content → the versions that have it. */
  readonly #byId = new Map<string, OneOrMore<SchemaVersion>>()
  /** By a hash: the texts are there once, in the versions. */
  readonly #byContent = new Map<string, OneOrMore<SchemaVersion>>()
  /**
   * Undefined until somebody asks for a GUID: most clients never do, and hashing every schema would
   * take a good part of the start of a large registry.
   */
  #byGuid: Map<string, OneOrMore<SchemaVersion>> | undefined
  /** Subject and version → the versions that refer to it. */
  readonly #referrers = new Map<string, OneOrMore<SchemaVersion>>()
  readonly #settings = new Map<string | undefined, Settings>()
  readonly #modes = new Map<string | undefined, Mode>()
  readonly #deleteSubjectVersions = new Map<string, number>()
  readonly #highestIds = new Map<string, number>()
  readonly #associations = new AssociationIndex()
  readonly #md5: Md5 | undefined

  /** @param digest of GUIDs, if the platform has a quicker one. */
  constructor(digest?: Md5) {
    this.#md5 = digest
  }

  /** False when the record contradicts the image and changed nothing. */
  apply(record: RegistryRecord): boolean {
    switch (record.kind) {
      case 'schema':
        return this.#applySchema(record)
      case 'config':
        setOrDelete(this.#settings, record.subject, record.value)
        return true
      case 'mode':
        setOrDelete(this.#modes, record.subject, record.value)
        return true
      case 'deleteSubject':
        setOrDelete(this.#deleteSubjectVersions, record.subject, record.version)
        this.#softDelete(record.subject, record.version ?? 0)
        return true
      case 'clearSubject':
        for (const version of this.versions(record.subject)) this.#remove(version)
        return true
      case 'association':
        this.#associations.set(record.key, record.value)
        return true
      case 'noop':
        for (const [context, id] of record.highestIds) this.#spend(context, id)
        return true
    }
  }

  get associations(): Omit<AssociationIndex, 'set'> {
    return this.#associations
  }

  /** The greatest id that any schema of the context ever had; 0 before the first. */
  highestId(context: string): number {
    return this.#highestIds.get(context) ?? 0
  }

  get highestIds(): ReadonlyMap<string, number> {
    return new Map(this.#highestIds)
  }

  /** Contexts that have, or had, a schema; the default one always. */
  get contexts(): readonly string[] {
    return [...new Set([DEFAULT_CONTEXT, ...this.#highestIds.keys()])]
  }

  get subjects(): Iterable<string> {
    return this.#subjects.keys()
  }

  /** In ascending order, soft-deleted ones included; empty for an unknown subject. */
  versions(subject: string): SchemaVersion[] {
    const versions = this.#subjects.get(subject)
    if (versions === undefined) return []
    return [...versions.values()].sort((left, right) => left.version - right.version)
  }

  version(subject: string, version: number): SchemaVersion | undefined {
    return this.#subjects.get(subject)?.get(version)
  }

  /** Every version of the context that has this id, in the order of their records. */
  withId(context: string, schemaId: number): readonly SchemaVersion[] {
    return allOf(this.#byId.get(`${context} ${schemaId}`))
  }

  /** Every version that has this GUID, which is in lower case. */
  withGuid(guid: string): readonly SchemaVersion[] {
    return allOf(this.#guidIndex().get(guid))
  }

  /** The id of this content in the context, if any version has it, soft-deleted or not. */
  idOfContent(context: string, content: SchemaContent): number | undefined {
    const key = contentKey(content)
    const ids = allOf(this.#byContent.get(contentHash(context, content)))
      .filter((version) => contentKey(version) === key)
      .map(({ schemaId }) => schemaId)
    return ids.length === 0 ? undefined : Math.min(...ids)
  }

  /** Versions that refer to this one; soft-deleted ones too when `deleted`. */
  referrers(
    subject: string,
    version: number,
    { deleted = false }: { readonly deleted?: boolean } = {},
  ): SchemaVersion[] {
    const referrers = allOf(this.#referrers.get(locationKey(subject, version)))
    return referrers.filter(({ isDeleted }) => deleted || !isDeleted)
  }

  /** Subjects and contexts that have settings of their own. */
  get subjectsWithSettings(): readonly string[] {
    return [...this.#settings.keys()].filter((subject) => subject !== undefined)
  }

  /** Own settings of the subject, or the global ones for undefined. */
  settings(subject: string | undefined): Settings | undefined {
    return this.#settings.get(subject)
  }

  mode(subject: string | undefined): Mode | undefined {
    return this.#modes.get(subject)
  }

  /** Everything that has a mode of its own. */
  get modeScopes(): readonly (string | undefined)[] {
    return [...this.#modes.keys()]
  }

  deleteSubjectVersion(subject: string): number | undefined {
    return this.#deleteSubjectVersions.get(subject)
  }

  #applySchema(record: RegistryRecord & { kind: 'schema' }): boolean {
    const { subject, version, value } = record
    const current = this.version(subject, version)
    if (value === null) {
      if (current !== undefined) this.#remove(current)
      return true
    }
    // Whatever becomes of the record, its id is spent.
    const context = contextOf(subject)
    this.#spend(context, value.schemaId)
    const other = this.withId(context, value.schemaId).find((holder) => holder !== current)
    if (other !== undefined && contentKey(other) !== contentKey(value)) return false

    if (current !== undefined) this.#remove(current)
    this.#add(value)
    return true
  }

  #guidIndex(): ReadonlyMap<string, OneOrMore<SchemaVersion>> {
    if (this.#byGuid !== undefined) return this.#byGuid
    const index = new Map<string, OneOrMore<SchemaVersion>>()
    for (const versions of this.#subjects.values()) {
      for (const version of versions.values()) addTo(index, guidOf(version, this.#md5), version)
    }
    this.#byGuid = index
    return index
  }

  #softDelete(subject: string, upToVersion: number): void {
    for (const version of this.versions(subject)) {
      if (version.version > upToVersion || version.isDeleted) continue
      this.#remove(version)
      this.#add({ ...version, isDeleted: true })
    }
  }

  #spend(context: string, id: number): void {
    this.#highestIds.set(context, Math.max(this.highestId(context), id))
  }

  #add(version: SchemaVersion): void {
    const { subject, schemaId } = version
    let versions = this.#subjects.get(subject)
    if (versions === undefined) this.#subjects.set(subject, (versions = new Map()))
    invariant(!versions.has(version.version), 'a version is removed before it is replaced')
    versions.set(version.version, version)
    const context = contextOf(subject)
    addTo(this.#byId, `${context} ${schemaId}`, version)
    addTo(this.#byContent, contentHash(context, version), version)
    if (this.#byGuid !== undefined) addTo(this.#byGuid, guidOf(version, this.#md5), version)
    for (const location of referredLocations(version)) addTo(this.#referrers, location, version)
  }

  #remove(version: SchemaVersion): void {
    const versions = this.#subjects.get(version.subject)
    invariant(versions?.get(version.version) === version, 'only what is stored is removed')
    versions.delete(version.version)
    if (versions.size === 0) this.#subjects.delete(version.subject)
    const context = contextOf(version.subject)
    removeFrom(this.#byId, `${context} ${version.schemaId}`, version)
    removeFrom(this.#byContent, contentHash(context, version), version)
    if (this.#byGuid !== undefined) removeFrom(this.#byGuid, guidOf(version, this.#md5), version)
    for (const location of referredLocations(version)) {
      removeFrom(this.#referrers, location, version)
    }
  }
}

export function contentKey(content: SchemaContent): string {
  const { schemaType, schema, references } = content
  const names = references.map(({ name, subject, version }) => [name, subject, version])
  return `${schemaType} ${JSON.stringify(names)} ${extrasKey(content)} ${schema}`
}

/** The id of a content that is the same in every registry. */
export function guidOf(content: SchemaContent, digest?: Md5): string {
  return schemaGuid(content.schema, content.references, extrasHashTexts(content), digest)
}

/** Each once: two references may lead to one version, by different names. */
function referredLocations({ subject: parent, references }: SchemaVersion): ReadonlySet<string> {
  return new Set(
    references.map(({ subject, version }) => locationKey(qualifiedLike(parent, subject), version)),
  )
}

function locationKey(subject: string, version: number): string {
  return `${version} ${subject}`
}

function setOrDelete<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}

/** Nearly every key has one value: a set for each would take more memory than the values. */
type OneOrMore<Value> = Value | Set<Value>

function allOf<Value>(held: OneOrMore<Value> | undefined): readonly Value[] {
  if (held === undefined) return []
  return held instanceof Set ? [...held] : [held]
}

function addTo<Key, Value>(index: Map<Key, OneOrMore<Value>>, key: Key, value: Value): void {
  const held = index.get(key)
  if (held === undefined) index.set(key, value)
  else if (held instanceof Set) held.add(value)
  else index.set(key, new Set([held, value]))
}

function removeFrom<Key, Value>(index: Map<Key, OneOrMore<Value>>, key: Key, value: Value): void {
  const held = index.get(key)
  if (held instanceof Set) {
    invariant(held.delete(value), 'every stored version is in every index')
    if (held.size === 0) index.delete(key)
    return
  }
  invariant(held === value, 'every stored version is in every index')
  index.delete(key)
}

/** Of the whole content, with its context; what has the same hash need not be the same (cyrb53). */
function contentHash(context: string, content: SchemaContent): string {
  const text = contentKey(content)
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    high = Math.imul(high ^ unit, 2_654_435_761)
    low = Math.imul(low ^ unit, 1_597_334_677)
  }
  return `${context} ${text.length} ${high >>> 0} ${low >>> 0}`
}
