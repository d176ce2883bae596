import { invariant } from '@fairlead/base'
import {
  type AnyEvent,
  Attempts,
  BatchLedger,
  type ChangedRows,
  type FoldProjection,
  type Letter,
  type LookedUp,
  type LogRecord,
  type PreparedRecord,
  type Row,
  type RowKey,
  SeenIds,
  foldInto,
  keyText,
  rowKeyOf,
} from '@fairlead/projection'
import { LookUps } from '../look-ups.ts'
import type { Database } from '../store/database.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import type { BuildSession } from './build-session.ts'
import { enrichInSession } from './enrich-in-session.ts'
import { KeyTexts } from './key-texts.ts'
import { setTenant } from '../store/set-tenant.ts'
import { type ParkedKeysByTopic, readLetterPlaces } from './parked-keys.ts'
import { RebuildFailed } from './rebuild-failed.ts'

/** Where events of any key may change any row, those of all keys count. */
const FAILED_KEYS_MAX = 100_000

type Place = Pick<LogRecord, 'topic' | 'partition' | 'offset'>

type KeyFoldOptions = {
  readonly db: Database
  readonly session: BuildSession
  readonly registered: RegisteredProjection
  readonly projection: FoldProjection
  /** Asked for the text (see {@link KeyTexts}) of every row's key, in the order of the log. */
  readonly wants: (keyText: string) => boolean
  readonly signal: AbortSignal
}

/**
 * Folds the events of some rows, as they are read from the log. What it holds
 * grows with these rows, not with their events.
 */
export class KeyFold {
  readonly #options: KeyFoldOptions
  readonly #projection: FoldProjection
  #keyTexts: KeyTexts
  readonly #lookUps: LookUps
  /** What the rows are folded under: of each key, the spelling that came first. */
  readonly #spellings = new Map<string, RowKey>()
  readonly #changed: ChangedRows = new Map()
  /** Key texts of the batch that is being folded. */
  #texts: ReadonlyMap<RowKey, string> = new Map()
  /** By topic: keys of records, in the sense of the ledger, of which an event failed in this fold. */
  readonly #failedKeys = new Map<string, Set<string>>()
  #firstFailure: Letter | undefined
  readonly #failing = new Set<string>()
  readonly #parked = new Set<string>()
  readonly #letters: Place[] = []
  /** With an inbox. It holds ids of the rows' events: those of all events may be any number. */
  readonly #seenIds: SeenIds | undefined

  constructor(options: KeyFoldOptions) {
    this.#options = options
    const { projection, db } = options
    if (projection.inbox !== undefined) this.#seenIds = new SeenIds()
    this.#keyTexts = new KeyTexts(db, projection.table)
    const retry = { ...projection.retry, retries: 0 }
    const rowKey = (event: AnyEvent): RowKey => this.#spellingOf(rowKeyOf(projection, event))
    this.#projection = { ...projection, retry, rowKey }
    this.#lookUps = new LookUps(this.#projection, options.signal)
  }

  /** Rows by the text of their key; undefined where their events end in a deletion. */
  *rows(): Generator<readonly [keyText: string, row: Row | undefined]> {
    for (const [text, spelling] of this.#spellings) {
      if (this.#changed.has(spelling)) yield [text, this.#changed.get(spelling)]
    }
  }

  /** The first event of the rows that failed, as in a live fold, or that was set aside behind one. */
  get firstFailure(): Letter | undefined {
    return this.#firstFailure
  }

  /** Rows with an event that failed, or waits behind one, in this fold. */
  get failing(): ReadonlySet<string> {
    return this.#failing
  }

  /** Rows with an event of a key that the version has parked. */
  get parked(): ReadonlySet<string> {
    return this.#parked
  }

  /** Places of events of the rows that the version has set aside. */
  get letters(): readonly Place[] {
    return this.#letters
  }

  /** Asks `db` for the spelling of keys from here on. */
  spellBy(db: Database): void {
    this.#keyTexts = new KeyTexts(db, this.#options.projection.table)
  }

  /** Nobody wants the row any more. */
  forget(keyText: string): void {
    const spelling = this.#spellings.get(keyText)
    if (spelling !== undefined) this.#changed.delete(spelling)
    this.#spellings.delete(keyText)
    this.#failing.delete(keyText)
    this.#parked.delete(keyText)
  }

  /**
   * The next records of the log, and what the version has parked of them. `limit` is for look-ups, which come first:
   * when it fires none of the records is taken.
   *
   * @throws {RebuildFailed} when too many keys fail. {EventFailure} when an event stops the projection. The reason of
   *   `limit`.
   */
  async take(
    records: readonly PreparedRecord[],
    parkedKeys: ParkedKeysByTopic,
    limit?: AbortSignal,
  ): Promise<void> {
    const wanted = await this.#wantedOf(records)
    const isFailed = ({ key, record }: PreparedRecord): boolean => this.#failedOf(record).has(key)
    const lookedUp = await this.#lookUps.of([...wanted.keys()], isFailed, limit)
    await this.#noteParked(wanted, parkedKeys)
    await this.#foldByTenant(this.#withoutRepeats(wanted), lookedUp)
  }

  /**
   * Records of the rows that are wanted, each with the text of its row's key; null for one that is no
   * event where nobody knows which rows it would have changed: only the events behind it tell.
   */
  async #wantedOf(
    records: readonly PreparedRecord[],
  ): Promise<ReadonlyMap<PreparedRecord, string | null>> {
    const { wants, projection } = this.#options
    const keys = new Map<PreparedRecord, RowKey>()
    for (const prepared of records) {
      const key = this.#rowKeyOf(prepared)
      if (key !== undefined) keys.set(prepared, key)
    }
    this.#texts = await this.#keyTexts.of(keys.values())
    // A key may be wanted no more once others have been seen: all are, before any counts.
    for (const key of keys.values()) this.#want(key)
    const wanted = new Map<PreparedRecord, string | null>()
    for (const prepared of records) {
      const text = this.#textOf(keys.get(prepared))
      if (text !== undefined && wants(text)) wanted.set(prepared, text)
      else if (projection.mayShareRows && prepared.content.kind === 'undecodable') {
        wanted.set(prepared, null)
      }
    }
    return wanted
  }

  #want(key: RowKey): void {
    const text = this.#textOf(key)
    if (text === undefined || !this.#options.wants(text)) return
    if (!this.#spellings.has(text)) this.#spellings.set(text, key)
  }

  /** Undefined for a record of which nobody knows the row. */
  #rowKeyOf({ content, record }: PreparedRecord): RowKey | undefined {
    const { projection } = this.#options
    if (content.kind === 'undecodable' && !projection.mayShareRows) return keyText(record)
    if (content.kind !== 'event') return undefined
    try {
      return rowKeyOf(projection, content.event)
    } catch {
      return undefined
    }
  }

  #textOf(key: RowKey | undefined): string | undefined {
    return key === undefined ? undefined : this.#texts.get(key)
  }

  #spellingOf(key: RowKey): RowKey {
    return this.#spellings.get(this.#textOf(key) ?? '') ?? key
  }

  async #noteParked(
    wanted: ReadonlyMap<PreparedRecord, string | null>,
    parkedKeys: ParkedKeysByTopic,
  ): Promise<void> {
    const places: Place[] = []
    for (const [{ key, record }, text] of wanted) {
      if (text === null || parkedKeys.get(record.topic)?.has(key) !== true) continue
      this.#parked.add(text)
      places.push(record)
    }
    if (places.length === 0) return
    const { session, registered } = this.#options
    this.#letters.push(...(await readLetterPlaces(session.db, registered, places)))
  }

  #withoutRepeats<T>(wanted: ReadonlyMap<PreparedRecord, T>): ReadonlyMap<PreparedRecord, T> {
    if (this.#seenIds === undefined) return wanted
    return new Map([...wanted].filter(([prepared]) => this.#seenIds?.isRepeat(prepared) !== true))
  }

  /** As live: what looks things up for events of a tenant has `app.tenant` set. */
  async #foldByTenant(
    wanted: ReadonlyMap<PreparedRecord, string | null>,
    lookedUp: LookedUp | undefined,
  ): Promise<void> {
    if (this.#projection.tenants === undefined) {
      await this.#fold(wanted, lookedUp)
      return
    }
    for (const [tenant, ofTenant] of Map.groupBy(wanted, ([prepared]) => prepared.tenant)) {
      await setTenant(this.#options.session.db, tenant, { until: 'session' })
      await this.#fold(new Map(ofTenant), lookedUp)
    }
  }

  async #fold(
    wanted: ReadonlyMap<PreparedRecord, string | null>,
    lookedUp: LookedUp | undefined,
  ): Promise<void> {
    if (wanted.size === 0) return
    const records = [...wanted.keys()]
    const events = records.flatMap(({ content }) =>
      content.kind === 'event' ? [content.event] : [],
    )
    const { enrich } = this.#projection
    const enriched =
      enrich === undefined ? lookedUp : await enrichInSession(this.#options.session, enrich, events)
    // Keys of several topics have nothing to do with each other; in which order these come does not matter.
    for (const ofTopic of Map.groupBy(records, ({ record }) => record.topic).values()) {
      const letters = this.#foldTopic(ofTopic, enriched)
      if (letters.length > 0) this.#noteFailures(letters, wanted)
    }
  }

  /** Of one topic, one record at least. */
  #foldTopic(records: readonly PreparedRecord[], enriched: unknown): readonly Letter[] {
    const projection = this.#projection
    const [first] = records
    invariant(first !== undefined, 'a group has a record')
    const failedKeys = this.#failedOf(first.record)
    const ledger = new BatchLedger({
      projection,
      parkedKeys: failedKeys,
      attempts: Attempts.none,
    })
    foldInto(projection, { records, rows: NO_ROWS, changed: this.#changed, ledger, enriched })
    for (const key of ledger.parkedKeys) failedKeys.add(key)
    if (failedKeys.size > FAILED_KEYS_MAX) {
      throw new RebuildFailed(`more than ${FAILED_KEYS_MAX} keys fail`)
    }
    return ledger.letters
  }

  #failedOf({ topic }: Pick<LogRecord, 'topic'>): Set<string> {
    const known = this.#failedKeys.get(topic)
    if (known !== undefined) return known
    const keys = new Set<string>()
    this.#failedKeys.set(topic, keys)
    return keys
  }

  #noteFailures(
    letters: readonly Letter[],
    wanted: ReadonlyMap<PreparedRecord, string | null>,
  ): void {
    const texts = new Map([...wanted].map(([{ record }, text]) => [record, text]))
    for (const letter of letters) {
      const text = texts.get(letter.record) ?? null
      if (text === null) continue
      this.#firstFailure ??= letter
      this.#failing.add(text)
    }
  }
}

const NO_ROWS: ReadonlyMap<RowKey, Row> = new Map()
