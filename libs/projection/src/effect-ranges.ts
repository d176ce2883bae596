/** Offsets from the first up to, and without, the second; null: without an end. */
export type OffsetRange = readonly [from: number, until: number | null]

/** As it is stored: ranges by partition. */
export type StoredRanges = Readonly<Record<string, readonly OffsetRange[]>>

const ALL: readonly OffsetRange[] = [[0, null]]

/**
 * The offsets whose side effects one version of a projection has. Two versions run at once, and each
 * event's effects are to happen once: when another version is shown, both agree on an offset per
 * partition, the greater of their checkpoints. Below it they are the former version's, even while it
 * still has some way to go; from it on they are the new one's.
 *
 * A partition that no swap has met yet, since the topic has it only now, is the live version's.
 */
export class EffectRanges {
  readonly #stored: StoredRanges
  readonly #isLive: boolean

  constructor(of: { readonly stored: StoredRanges | null; readonly isLive: boolean }) {
    this.#stored = of.stored ?? {}
    this.#isLive = of.isLive
  }

  static readonly none: EffectRanges = new EffectRanges({ stored: null, isLive: false })

  includes(partition: number, offset: number): boolean {
    return this.#rangesOf(partition).some(
      ([from, until]) => offset >= from && (until === null || offset < until),
    )
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

  /**
   * How many offsets are this version's that it has not come to yet, of those that will not become
   * another's. `nextOffsets` are where it stands.
   */
  pendingCount(nextOffsets: ReadonlyMap<number, number>): number {
    let count = 0
    for (const [partition, ranges] of Object.entries(this.#stored)) {
      const nextOffset = nextOffsets.get(Number(partition)) ?? 0
      for (const [from, until] of ranges) {
        if (until !== null) count += Math.max(0, until - Math.max(from, nextOffset))
      }
    }
    return count
  }

  #rangesOf(partition: number): readonly OffsetRange[] {
    return this.#stored[partition] ?? (this.#isLive ? ALL : [])
  }

  #changed(
    offsets: ReadonlyMap<number, number>,
    change: (ranges: readonly OffsetRange[], offset: number) => readonly OffsetRange[],
  ): StoredRanges {
    const changed: Record<string, readonly OffsetRange[]> = { ...this.#stored }
    for (const [partition, offset] of offsets) {
      changed[partition] = change(this.#rangesOf(partition), offset).filter(
        ([from, until]) => until === null || from < until,
      )
    }
    return changed
  }
}
