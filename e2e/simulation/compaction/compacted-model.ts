import { require } from '../finding.ts'

export type KeyedRecord = { readonly key: string; readonly value: string | null }

export type SeenRecord = KeyedRecord & { readonly offset: number }

/**
 * Everything that a compacted log was given, by offset. Compaction may remove a record as soon as a
 * later one has its key; tombstones stay, since nothing here waits for `delete.retention.ms`.
 */
export class CompactedModel {
  #given: KeyedRecord[] = []
  #durableOffset = 0

  get endOffset(): number {
    return this.#given.length
  }

  get durableOffset(): number {
    return this.#durableOffset
  }

  give(records: readonly KeyedRecord[]): void {
    this.#given.push(...records)
  }

  promise(nextOffset: number): void {
    this.#durableOffset = Math.max(this.#durableOffset, nextOffset)
  }

  takeBack(endOffset: number): void {
    require(endOffset >= this.#durableOffset, () => `what was promised is gone from ${endOffset}`)
    this.#given = this.#given.slice(0, endOffset)
  }

  recovered(endOffset: number): void {
    require(endOffset >= this.#durableOffset && endOffset <= this.endOffset, () =>
      `the log ends at ${endOffset}, not from ${this.#durableOffset} to ${this.endOffset}`)
    this.#given = this.#given.slice(0, endOffset)
    this.#durableOffset = endOffset
  }

  /** A record is served at its own offset, as it was given. */
  requireGiven({ offset, key, value }: SeenRecord): void {
    const given = this.#given[offset]
    require(given?.key === key && given.value === value, () =>
      `at ${offset} stands ${key}=${value}, given was ${given?.key}=${given?.value}`)
  }

  /** L11: in order, and the latest record of every key is among them. */
  requireWhole(seen: readonly SeenRecord[]): void {
    let before = -1
    for (const record of seen) {
      require(record.offset > before, () => `${record.offset} stands behind ${before}`)
      this.requireGiven(record)
      before = record.offset
    }
    const kept = new Set(seen.map(({ offset }) => offset))
    const latest = new Map(this.#given.map(({ key }, offset) => [key, offset]))
    for (const [key, offset] of latest) {
      require(kept.has(offset), () => `the latest record of ${key}, at ${offset}, is gone`)
    }
  }
}
