import { type PreparedRecord, planOf } from '@fairlead/projection'
import type { Database } from './store/database.ts'
import { findParkedKeys, hasParkedKeys, loadParkedKeys } from './store/park-letters.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'

/** Held in memory, at about 200 bytes each. */
const KEYS_MAX = 100_000

/**
 * The parked keys of a topic as the worker of one of its partitions knows them: all of them, or, when
 * there are too many, those of the records at hand.
 *
 * Other partitions park and release keys meanwhile. A key that was released is found out when an event
 * is set aside for it (`StaleKeysError`); one that another partition may have parked is asked for.
 */
export class ParkedKeys {
  readonly #db: Database
  readonly #partition: ProjectionPartition
  readonly #keysMax: number
  #keys = new Set<string>()
  #isComplete = true
  #changeCount = 0

  constructor(
    db: Database,
    partition: ProjectionPartition,
    options: { readonly keysMax?: number } = {},
  ) {
    this.#db = db
    this.#partition = partition
    this.#keysMax = options.keysMax ?? KEYS_MAX
  }

  /** Whether there may be any. */
  get mayHoldAny(): boolean {
    return !this.#isComplete || this.#keys.size > 0
  }

  /** Differs from what it was before once keys were parked, or read from the database again. */
  get changeCount(): number {
    return this.#changeCount
  }

  async reload(): Promise<void> {
    const keys = await loadParkedKeys(this.#db, this.#partition, { limit: this.#keysMax + 1 })
    this.#changeCount += 1
    this.#hold(keys)
  }

  /** Forgets keys once the topic has none: others have released them, and no event of theirs may ever come. */
  async forgetIfNone(): Promise<void> {
    if (!this.mayHoldAny || (await hasParkedKeys(this.#db, this.#partition))) return
    this.#hold(new Set())
  }

  /**
   * Parked keys, at least all of those that the records have. `moved` are keys of the records that were
   * in another partition before: its worker may have parked them since the last look.
   */
  async among(
    records: readonly PreparedRecord[],
    moved: ReadonlySet<string>,
  ): Promise<ReadonlySet<string>> {
    const asked = this.#isComplete ? moved : keysOfEvents(records)
    if (asked.size === 0) return this.#isComplete ? this.#keys : asked
    const parked = await findParkedKeys(this.#db, this.#partition, [...asked])
    if (!this.#isComplete) return parked
    this.parked(parked)
    return this.#keys
  }

  /** Keys that were parked by a batch that is committed. */
  parked(keys: ReadonlySet<string>): void {
    if (keys.size === 0) return
    this.#changeCount += 1
    if (!this.#isComplete) return
    for (const key of keys) this.#keys.add(key)
    this.#hold(this.#keys)
  }

  /** Keys whose last letter is gone. */
  released(keys: ReadonlySet<string>): void {
    for (const key of keys) this.#keys.delete(key)
  }

  #hold(keys: Set<string>): void {
    this.#isComplete = keys.size <= this.#keysMax
    this.#keys = this.#isComplete ? keys : new Set()
  }
}

/** Of the records that can be set aside. */
function keysOfEvents(records: readonly PreparedRecord[]): ReadonlySet<string> {
  const ofEvents = records.filter((record) => {
    const plan = planOf(record)
    return plan === 'event' || plan === 'undecodable'
  })
  return new Set(ofEvents.map(({ key }) => key))
}
