/**
 * How many events a transaction wrote into one topic, by the hashes of their keys modulo `modulus`. That says
 * how many are in each partition of a topic whose number of partitions divides the modulus; see
 * {@link tellsPartitions}.
 */
export type KeyCounts = {
  readonly modulus: number
  readonly counts: ReadonlyMap<number, number>
}

/** Of counts by the whole hashes, which are below it. */
export const WHOLE_HASHES: number = 2 ** 31

/**
 * Of counts of more keys than {@link KEYS_MAX}. Most numbers of partitions that are in use divide it: 1 to 6, 8, 10,
 * 12, 15, 16, 20, 24, 30, 32, 40, 48, 60, 64, 80, 96, 120, 160.
 */
const MANY_KEYS = 960
const KEYS_MAX = 200

/** Of counts that tell no more than their sum. */
export const SUM_ONLY = 1

/** Whether each count is of one partition. */
export function tellsPartitions({ modulus }: KeyCounts, partitionCount: number): boolean {
  return modulus === WHOLE_HASHES || modulus % partitionCount === 0
}

export function eventCountOf({ counts }: KeyCounts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

/** The same events by fewer residues: `modulus` divides that of `written`, or `written` has whole hashes. */
export function coarsened(written: KeyCounts, modulus: number): KeyCounts {
  const counter = new KeyCounter(modulus)
  for (const [residue, count] of written.counts) counter.add(residue, count)
  return counter
}

/** Counts events by key, with a bound on what it holds. */
export class KeyCounter implements KeyCounts {
  #modulus: number
  #counts = new Map<number, number>()

  constructor(modulus: number = WHOLE_HASHES) {
    this.#modulus = modulus
  }

  get modulus(): number {
    return this.#modulus
  }

  get counts(): ReadonlyMap<number, number> {
    return this.#counts
  }

  add(keyHash: number, count = 1): void {
    const residue = keyHash % this.#modulus
    this.#counts.set(residue, (this.#counts.get(residue) ?? 0) + count)
    if (this.#modulus === WHOLE_HASHES && this.#counts.size > KEYS_MAX) this.#coarsen(MANY_KEYS)
  }

  addAll(other: KeyCounter): void {
    if (other.modulus < this.#modulus) this.#coarsen(other.modulus)
    for (const [residue, count] of other.counts) this.add(residue, count)
  }

  #coarsen(modulus: number): void {
    const finer = this.#counts
    this.#modulus = modulus
    this.#counts = new Map()
    for (const [residue, count] of finer) this.add(residue, count)
  }
}
