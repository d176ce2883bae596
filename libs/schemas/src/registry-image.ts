import { schemaGuid } from '@fairlead/avro'
import { invariant } from '@fairlead/base'
import type {
  RegistryRecord,
  SchemaReference,
  SchemaType,
  SchemaVersion,
  Settings,
} from './records.ts'
import type { Mode } from './settings.ts'

/** What makes two schemas one: the same content has the same id. */
export type SchemaContent = {
  readonly schemaType: SchemaType
  readonly schema: string
  readonly references: readonly SchemaReference[]
}

/**
 * Everything that the records of `_schemas` add up to. It changes only in `apply`.
 *
 * Invariants
 * - An id belongs to one content: a record that says otherwise is refused.
 * - `highestId` never falls, whatever is deleted.
 * - The image is a function of the last applied record of each key (and of `highestId`), so that it
 *   is the same after compaction.
 */
export class RegistryImage {
  /** Subject → version → what is stored, soft-deleted ones included. */
  readonly #subjects = new Map<string, Map<number, SchemaVersion>>()
  readonly #byId = new Map<number, Set<SchemaVersion>>()
  readonly #byContent = new Map<string, Set<SchemaVersion>>()
  /**
   * Undefined until somebody asks for a GUID: most clients never do, and hashing every schema would
   * take a good part of the start of a large registry.
   */
  #byGuid: Map<string, Set<SchemaVersion>> | undefined
  /** Subject and version → the versions that refer to it. */
  readonly #referrers = new Map<string, Set<SchemaVersion>>()
  readonly #settings = new Map<string | undefined, Settings>()
  readonly #modes = new Map<string | undefined, Mode>()
  readonly #deleteSubjectVersions = new Map<string, number>()
  #highestId = 0

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
      case 'noop':
        this.#highestId = Math.max(this.#highestId, record.highestId ?? 0)
        return true
    }
  }

  /** The greatest id that any schema ever had; 0 before the first. */
  get highestId(): number {
    return this.#highestId
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

  /** Every version that has this id, in the order of their records. */
  withId(schemaId: number): readonly SchemaVersion[] {
    return [...(this.#byId.get(schemaId) ?? [])]
  }

  /** Every version that has this GUID, which is in lower case. */
  withGuid(guid: string): readonly SchemaVersion[] {
    return [...(this.#guidIndex().get(guid) ?? [])]
  }

  /** The id of this content, if any version has it, soft-deleted or not. */
  idOfContent(content: SchemaContent): number | undefined {
    const ids = [...(this.#byContent.get(contentKey(content)) ?? [])].map(
      ({ schemaId }) => schemaId,
    )
    return ids.length === 0 ? undefined : Math.min(...ids)
  }

  /** Versions that are not soft-deleted and refer to this one. */
  referrers(subject: string, version: number): SchemaVersion[] {
    const referrers = this.#referrers.get(locationKey(subject, version)) ?? []
    return [...referrers].filter(({ isDeleted }) => !isDeleted)
  }

  /** Own settings of the subject, or the global ones for undefined. */
  settings(subject: string | undefined): Settings | undefined {
    return this.#settings.get(subject)
  }

  mode(subject: string | undefined): Mode | undefined {
    return this.#modes.get(subject)
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
    this.#highestId = Math.max(this.#highestId, value.schemaId)
    const other = this.withId(value.schemaId).find((holder) => holder !== current)
    if (other !== undefined && contentKey(other) !== contentKey(value)) return false

    if (current !== undefined) this.#remove(current)
    this.#add(value)
    return true
  }

  #guidIndex(): ReadonlyMap<string, ReadonlySet<SchemaVersion>> {
    if (this.#byGuid !== undefined) return this.#byGuid
    const index = new Map<string, Set<SchemaVersion>>()
    for (const versions of this.#subjects.values()) {
      for (const version of versions.values()) addTo(index, guidOf(version), version)
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

  #add(version: SchemaVersion): void {
    const { subject, schemaId } = version
    let versions = this.#subjects.get(subject)
    if (versions === undefined) this.#subjects.set(subject, (versions = new Map()))
    invariant(!versions.has(version.version), 'a version is removed before it is replaced')
    versions.set(version.version, version)
    addTo(this.#byId, schemaId, version)
    addTo(this.#byContent, contentKey(version), version)
    if (this.#byGuid !== undefined) addTo(this.#byGuid, guidOf(version), version)
    for (const reference of version.references) {
      addTo(this.#referrers, locationKey(reference.subject, reference.version), version)
    }
  }

  #remove(version: SchemaVersion): void {
    const versions = this.#subjects.get(version.subject)
    invariant(versions?.get(version.version) === version, 'only what is stored is removed')
    versions.delete(version.version)
    if (versions.size === 0) this.#subjects.delete(version.subject)
    removeFrom(this.#byId, version.schemaId, version)
    removeFrom(this.#byContent, contentKey(version), version)
    if (this.#byGuid !== undefined) removeFrom(this.#byGuid, guidOf(version), version)
    for (const reference of version.references) {
      removeFrom(this.#referrers, locationKey(reference.subject, reference.version), version)
    }
  }
}

export function contentKey({ schemaType, schema, references }: SchemaContent): string {
  const names = references.map(({ name, subject, version }) => [name, subject, version])
  return `${schemaType} ${JSON.stringify(names)} ${schema}`
}

function guidOf({ schema, references }: SchemaContent): string {
  return schemaGuid(schema, references)
}

function locationKey(subject: string, version: number): string {
  return `${version} ${subject}`
}

function setOrDelete<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}

function addTo<Key, Value>(index: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const values = index.get(key)
  if (values === undefined) index.set(key, new Set([value]))
  else values.add(value)
}

function removeFrom<Key, Value>(index: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const values = index.get(key)
  invariant(values?.delete(value) === true, 'every stored version is in every index')
  if (values.size === 0) index.delete(key)
}
