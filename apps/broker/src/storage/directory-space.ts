import { rmSync, statfsSync } from 'node:fs'
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DiskSpace } from '@fairlead/log'

type Volume = { readonly totalBytes: number; readonly freeBytes: number }

/** What the file system of a path says of itself. It answers from memory, without the disk. */
export type MeasureVolume = (path: string) => Volume

export const measureVolume: MeasureVolume = (path) => {
  const { bsize, blocks, bavail } = statfsSync(path)
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail }
}

/** More than this part of a small disk is not kept free. */
const RESERVE_DIVISOR = 10
/** A file that only takes up room, for the little that it takes to make more. */
const BALLAST_FILE = '.ballast'
const BALLAST_BYTES = 1_048_576

/**
 * The room of a directory of `log.dirs`: a reserve below which clients' appends are refused, and the
 * ballast, which goes overboard when others have filled the disk to its last byte. Without it not
 * even retention could note which segments it is about to remove.
 */
export class DirectorySpace extends DiskSpace {
  readonly #path: string
  readonly #measureVolume: MeasureVolume

  constructor(
    path: string,
    options: { readonly reserveBytes: number; readonly measureVolume: MeasureVolume },
  ) {
    const { totalBytes, freeBytes } = options.measureVolume(path)
    const part = Math.floor(totalBytes / RESERVE_DIVISOR)
    super({ reserveBytes: Math.min(options.reserveBytes, part) })
    this.#path = path
    this.#measureVolume = options.measureVolume
    this.report(freeBytes)
    this.#keepAfloat()
  }

  /** Asks the file system, and takes in ballast when there is room for it. */
  async measure(): Promise<void> {
    this.report(this.#measureVolume(this.#path).freeBytes)
    this.#keepAfloat()
    if (this.isFull || this.reserveBytes <= BALLAST_BYTES) return
    const path = join(this.#path, BALLAST_FILE)
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    // Not of zeros, which some file systems do not store.
    if (!isThere) await writeFile(path, new Uint8Array(BALLAST_BYTES).fill(0xba))
  }

  /** Makes the room that the ballast kept. */
  dropBallast(): void {
    dropBallast(this.#path)
    this.report(this.#measureVolume(this.#path).freeBytes)
  }

  /** The broker's own little writes go on: somebody wants to change a retention now. */
  #keepAfloat(): void {
    if (this.freeBytes < BALLAST_BYTES / 2) this.dropBallast()
  }
}

export function dropBallast(path: string): void {
  rmSync(join(path, BALLAST_FILE), { force: true })
}
