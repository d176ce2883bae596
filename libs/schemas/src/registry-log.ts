import type { Md5 } from '@fairlead/avro'
import { errorMessage } from '@fairlead/base'
import { decodeRecord, encodeRecord, keyText } from './record-codec.ts'
import type { RegistryRecord } from './records.ts'
import { RegistryImage } from './registry-image.ts'

/** One record of the topic `_schemas`, as it was read. */
export type LogEntry = {
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Of the header {@link EXPECTED_OFFSET_HEADER}; undefined when the record has none. */
  readonly expectedOffset: number | undefined
  /** Undefined where the log tells no times. */
  readonly timestampMs?: number | undefined
}

/**
 * Header of our records: the offset, in decimal, at which the writer expected the record to land.
 * It had read everything before that offset when it decided.
 */
export const EXPECTED_OFFSET_HEADER = 'fairlead.expected.offset'

export type ReplayResult =
  | { readonly kind: 'applied' }
  /** Another writer came first: the record counts for nothing. */
  | { readonly kind: 'lost' }
  /** Not for us, or not in order; the reason is for the log. */
  | { readonly kind: 'skipped'; readonly reason: string }

/**
 * The log as the arbiter between writers: any number of registries append to it, and none leads.
 *
 * A record with an expected offset counts iff it landed there, that is, iff nobody wrote between
 * the writer's reading and its writing. Every reader judges that by the record alone: the verdict
 * needs no other record, so neither the place where reading starts nor compaction can change it.
 * Records without the header, of Confluent's own writers, always count.
 *
 * Compaction keeps the last record of a key, and that may be one that lost, or was passed over. Until
 * it is overwritten with what counts (`repairs`), the key is at risk.
 */
export class RegistryLog {
  readonly image: RegistryImage
  /** Keys whose last record does not count, with that record. */
  readonly #atRisk = new Map<string, RegistryRecord>()
  #nextOffset = 0

  constructor(digest?: Md5) {
    this.image = new RegistryImage(digest)
  }

  /** Call once per record, in log order. */
  replay(entry: LogEntry): ReplayResult {
    this.#nextOffset = Math.max(this.#nextOffset, entry.offset + 1)
    let record: RegistryRecord | undefined
    try {
      record = withTimes(decodeRecord(entry.key, entry.value), entry.timestampMs)
    } catch (error) {
      this.#unreadable(entry.key)
      return { kind: 'skipped', reason: errorMessage(error) }
    }
    if (record === undefined) return { kind: 'skipped', reason: 'unknown key type' }

    if (entry.expectedOffset !== undefined && entry.expectedOffset !== entry.offset) {
      this.#atRisk.set(keyText(record), record)
      return { kind: 'lost' }
    }
    if (!this.image.apply(record)) {
      this.#atRisk.set(keyText(record), record)
      return { kind: 'skipped', reason: 'its id belongs to another schema' }
    }
    this.#atRisk.delete(keyText(record))
    return { kind: 'applied' }
  }

  /** Call when reading passed offsets that hold no record of ours (compaction, control records). */
  advance(nextOffset: number): void {
    this.#nextOffset = Math.max(this.#nextOffset, nextOffset)
  }

  /** Everything below it is in the image: the expected offset of the next write. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Records that restore every key at risk; written like any others, with expected offsets. */
  repairs(): RegistryRecord[] {
    return [...this.#atRisk.values()].flatMap((lost) => currentRecords(this.image, lost))
  }

  /**
   * The batch that carries out a decision and restores the keys at risk among those of `lost`, an
   * earlier batch of the same writer. A key that the decision writes needs no other record: one
   * behind it would undo the decision.
   */
  withRepairs(
    decided: readonly RegistryRecord[],
    lost: readonly RegistryRecord[],
  ): RegistryRecord[] {
    const decidedKeys = new Set(decided.map(keyText))
    const repairs = [...new Map(lost.map((record) => [keyText(record), record]))]
      .filter(([key]) => this.#atRisk.has(key) && !decidedKeys.has(key))
      .flatMap(([, record]) => currentRecords(this.image, record))
    return [...repairs, ...decided]
  }

  /** A value that cannot be read may be of a newer registry: it is kept where nothing else counts. */
  #unreadable(key: Uint8Array | null): void {
    let removal: RegistryRecord | undefined
    try {
      removal = decodeRecord(key, null)
    } catch {
      return
    }
    if (removal === undefined) return
    const isHeld = currentRecords(this.image, removal).some(
      (record) => encodeRecord(record).value !== null,
    )
    if (isHeld) this.#atRisk.set(keyText(removal), removal)
  }
}

/** An association is as old as its record, unless the record says otherwise. */
function withTimes(
  record: RegistryRecord | undefined,
  timestampMs: number | undefined,
): RegistryRecord | undefined {
  if (record?.kind !== 'association' || record.value === null) return record
  const createTimestampMs = record.value.createTimestampMs ?? timestampMs
  return {
    ...record,
    value: { ...record.value, createTimestampMs, updateTimestampMs: timestampMs },
  }
}

/** What counts for the key of `record`, as records that change nothing. */
function currentRecords(image: RegistryImage, record: RegistryRecord): readonly RegistryRecord[] {
  switch (record.kind) {
    case 'schema': {
      const value = image.version(record.subject, record.version) ?? null
      return [{ ...record, value }]
    }
    case 'config':
      return [{ ...record, value: image.settings(record.subject) ?? null }]
    case 'mode':
      return [{ ...record, value: image.mode(record.subject) ?? null }]
    case 'deleteSubject':
      return [...deletedVersions(image, record.subject), { ...record, version: null }]
    case 'association':
      return [{ ...record, value: image.associations.get(record.key) ?? null }]
    case 'noop':
      return [{ ...record, highestIds: image.highestIds }]
    case 'clearSubject':
      return [{ kind: 'noop', highestIds: image.highestIds }]
  }
}

/**
 * In place of a DELETE_SUBJECT: written again it would also delete what came after it, under a number
 * that a hard delete had freed.
 */
function deletedVersions(image: RegistryImage, subject: string): readonly RegistryRecord[] {
  const upToVersion = image.deleteSubjectVersion(subject) ?? 0
  return image
    .versions(subject)
    .filter(({ version, isDeleted }) => isDeleted && version <= upToVersion)
    .map((value) => ({ kind: 'schema', subject, version: value.version, value }))
}
