import { invariant } from '@fairlead/base'
import type { CrashChoices } from './crash-choices.ts'
import { GrowableBytes } from './growable-bytes.ts'

export type FileChange =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

/** What a disk writes as one: it is never torn. */
const SECTOR_BYTES = 512

/**
 * The content of a file as the process sees it, and as the disk has it.
 *
 * Invariant: the durable bytes are those of some crash after the last sync; `#unsynced` holds the
 * changes since, oldest first. Both contents are one object until the first change.
 */
export class SimulatedFile {
  #content: GrowableBytes
  #durable: GrowableBytes
  #unsynced: FileChange[] = []
  /** How many changes there were, and how many of them a sync has covered, well or not. */
  #changeCount = 0
  #coveredCount = 0

  constructor(content?: Uint8Array) {
    this.#content = new GrowableBytes(content)
    this.#durable = this.#content
  }

  get sizeBytes(): number {
    return this.#content.length
  }

  /** Begins a sync: it is sure to cover the changes up to now, which the result stands for. */
  get changeCount(): number {
    return this.#changeCount
  }

  /** Copies what fits into `target`; the number of bytes. */
  read(position: number, target: Uint8Array): number {
    const found = this.#content.view().subarray(position, position + target.length)
    target.set(found)
    return found.length
  }

  change(change: FileChange): void {
    if (this.#durable === this.#content) this.#content = new GrowableBytes(this.#durable.view())
    apply(this.#content, change)
    this.#unsynced.push(change)
    this.#changeCount += 1
  }

  /** The first `changeCount` changes are durable. */
  synced(changeCount: number): void {
    for (const change of this.#cover(changeCount)) apply(this.#durable, change)
  }

  /**
   * A sync failed: the kernel takes the pages for clean, so that no later sync writes them either
   * (Rebello and others, "Can Applications Recover from fsync Failures?", 2020).
   */
  syncFailed(changeCount: number): void {
    this.#cover(changeCount)
  }

  /** What the next process finds. */
  afterCrash(choices: CrashChoices): SimulatedFile {
    const survivor = new GrowableBytes(this.#durable.view())
    const kept = choices.keptChanges(this.#unsynced.length)
    for (const change of this.#unsynced.slice(0, kept)) apply(survivor, change)
    const lost = this.#unsynced.slice(kept)
    if (choices.keepsSector !== undefined) scatter(survivor, lost, choices.keepsSector)
    else tear(survivor, lost[0], choices.tornBytes)
    return new SimulatedFile(survivor.view())
  }

  /** The bytes, to be damaged in place on the disk and in memory; what was not synced is. */
  expose(): Uint8Array {
    this.#unsynced = []
    this.#coveredCount = this.#changeCount
    this.#durable = this.#content
    return this.#content.view()
  }

  #cover(changeCount: number): readonly FileChange[] {
    const newlyCovered = Math.max(0, changeCount - this.#coveredCount)
    invariant(newlyCovered <= this.#unsynced.length, 'a sync covers changes that were made')
    this.#coveredCount += newlyCovered
    return this.#unsynced.splice(0, newlyCovered)
  }
}

function apply(bytes: GrowableBytes, change: FileChange): void {
  if (change.kind === 'truncate') bytes.resize(change.sizeBytes)
  else bytes.write(change.position, change.bytes)
}

function tear(
  survivor: GrowableBytes,
  change: FileChange | undefined,
  tornBytes: CrashChoices['tornBytes'],
): void {
  if (change?.kind !== 'write') return
  survivor.write(change.position, change.bytes.subarray(0, tornBytes(change.bytes.length)))
}

/** Blocks that a lost truncation would have freed are not written to by what came after it. */
function scatter(
  survivor: GrowableBytes,
  lost: readonly FileChange[],
  keepsSector: () => boolean,
): void {
  for (const change of lost) {
    if (change.kind === 'truncate') return
    let from = 0
    while (from < change.bytes.length) {
      const position = change.position + from
      const to = Math.min(from + SECTOR_BYTES - (position % SECTOR_BYTES), change.bytes.length)
      if (keepsSector()) survivor.write(position, change.bytes.subarray(from, to))
      from = to
    }
  }
}
