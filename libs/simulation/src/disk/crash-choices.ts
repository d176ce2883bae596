import type { SeededRandom } from '../seeded-random.ts'

/** How much of what was not synced survives a crash. Asked once per file, and once for the names. */
export type CrashChoices = {
  /** How many of the `count` unsynced changes of a file survive, in the order they were made. */
  readonly keptChanges: (count: number) => number
  /** How many bytes of the first change that does not survive whole. */
  readonly tornBytes: (sizeBytes: number) => number
  /** How many of the `count` unsynced creations, renames and removals survive, in order. */
  readonly keptEntries: (count: number) => number
  /**
   * Whether a sector of a write that does not survive whole is on the disk all the same. The kernel
   * writes pages back in any order: what came first need not survive first. Replaces `tornBytes`.
   */
  readonly keepsSector?: () => boolean
  /**
   * Whether a new directory whose parent was not synced is lost with everything in it, as POSIX allows.
   * Left out, a sync of what is in it saves its name, too: file systems that log changes in order.
   */
  readonly losesUnsyncedDirectories?: boolean
}

export const LOSE_UNSYNCED: CrashChoices = {
  keptChanges: () => 0,
  tornBytes: () => 0,
  keptEntries: () => 0,
}

export const KEEP_UNSYNCED: CrashChoices = {
  keptChanges: (count) => count,
  tornBytes: (sizeBytes) => sizeBytes,
  keptEntries: (count) => count,
}

/** One of the ways in which power is lost: nothing kept, all of it, a torn prefix, or some sectors. */
export function randomCrash(random: SeededRandom): CrashChoices {
  const upTo = (bound: number) => random.int(bound + 1)
  const prefix: CrashChoices = { keptChanges: upTo, tornBytes: upTo, keptEntries: upTo }
  const share = random.pick([0.1, 0.5, 0.9])
  return random.pick([
    LOSE_UNSYNCED,
    KEEP_UNSYNCED,
    prefix,
    { ...prefix, keptEntries: (count) => count },
    { ...prefix, keepsSector: () => random.chance(share) },
  ])
}
