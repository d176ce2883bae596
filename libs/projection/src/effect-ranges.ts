/** Offsets from the first up to, and without, the second; null: without an end. */
export type OffsetRange = readonly [from: number, until: number | null]

/** As it is stored: ranges by partition. */
export type StoredRanges = Readonly<Record<string, readonly OffsetRange[]>>

/**
 * The offsets whose side effects one version of a projection has. Two versions run at once, and each
 * event's effects are to happen once: when another version is shown, both agree on an offset per
 * partition, the greater of their checkpoints. Below it they are the former version's, even while it
 * still has some way to go; from it on they are the new one's.
 */
export class EffectRanges {
  readonly #stored: StoredRanges | null

  /** Null: every event's, as the version has been live since it began. */
  constructor(stored: StoredRanges | null) {
    this.#stored = stored
  }

  static readonly none: EffectRanges = new EffectRanges({})

  includes(partition: number, offset: number): boolean {
    if (this.#stored === null) return true
    const ranges = this.#stored[partition] ?? []
    return ranges.some(([from, until]) => offset >= from && (until === null || offset < until))
  }

  /** From `offsets` on they are this version's, too. */
  openedAt(offsets: ReadonlyMap<number, number>): StoredRanges {
    return this.#changed(offsets, (ranges, offset) => [...ranges, [offset, null]])
  }

  /** From `offsets` on they are another's. */
  closedAt(offsets: ReadonlyMap<number, number>): StoredRanges {
    return this.#changed(offsets, (ranges, offset) =>
      ranges.map(([from, until]): OffsetRange => [from, until ?? offset]),
    )
  }

  #changed(
    offsets: ReadonlyMap<number, number>,
    change: (ranges: readonly OffsetRange[], offset: number) => readonly OffsetRange[],
  ): StoredRanges {
    const changed: Record<string, readonly OffsetRange[]> = { ...this.#stored }
    for (const [partition, offset] of offsets) {
      const ranges = this.#stored === null ? ALL : (this.#stored[partition] ?? [])
      changed[partition] = change(ranges, offset).filter(
        ([from, until]) => until === null || from < until,
      )
    }
    return changed
  }
}

const ALL: readonly OffsetRange[] = [[0, null]]
