import { OperationalError } from '@fairlead/base'

/**
 * The file system as the log needs it. `libs/runtime` implements it on Node, `SimulatedDisk` in
 * memory with faults; `DISK_CONTRACT` states what both must do.
 *
 * Completions are callbacks, so that a synchronous simulator can choose their order: a callback may
 * run before the call returns, and two operations under way may complete in any order.
 */
export interface Disk {
  /** Opens a file for reading and writing. `create` makes it when missing and keeps what it holds. */
  open(path: string, mode: 'existing' | 'create', done: DiskCallback<DiskFile>): void
  /** Size of the file in bytes. */
  fileSizeBytes(path: string, done: DiskCallback<number>): void
  /** Replaces `to` when it is a file. Survives a crash only after `syncDirectory` of the parent. */
  rename(from: string, to: string, done: DiskCallback<void>): void
  removeFile(path: string, done: DiskCallback<void>): void
  /** Fails when the directory holds anything. */
  removeDirectory(path: string, done: DiskCallback<void>): void
  /** Creates the directory and its missing parents; not an error when it exists. */
  makeDirectory(path: string, done: DiskCallback<void>): void
  /** Names in the directory, sorted by code unit. */
  list(path: string, done: DiskCallback<readonly string[]>): void
  /** Makes creations, renames and removals directly under `path` survive a crash. */
  syncDirectory(path: string, done: DiskCallback<void>): void
}

/** An open file. One writer at a time; reads may overlap with writes. */
export interface DiskFile {
  /** Fills `target` from `position`; the count is short only at the end of the file. */
  read(position: number, target: Uint8Array, done: DiskCallback<number>): void
  /** Writes all chunks, one after the other, from `position`; never a part of them without error. */
  write(position: number, chunks: readonly Uint8Array[], done: DiskCallback<void>): void
  /** Makes every completed write survive a crash. */
  datasync(done: DiskCallback<void>): void
  /** Cuts the file, or extends it with zeros. */
  truncate(sizeBytes: number, done: DiskCallback<void>): void
  close(done: DiskCallback<void>): void
}

export type DiskResult<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: StorageError }

export type DiskCallback<Value> = (result: DiskResult<Value>) => void

/**
 * A disk operation failed, or the files of a log contradict each other. `code` is the name that the
 * operating system gives (`ENOSPC`, `EIO`, `ENOENT`), or `LOG_CORRUPT`.
 */
export class StorageError extends OperationalError {
  override readonly name = 'StorageError'

  constructor(message: string, options: { readonly code: string; readonly cause?: unknown }) {
    super(message, { ...options, retryable: false })
  }
}

const SPACE_CODES: readonly string[] = ['ENOSPC', 'EDQUOT']
const PROCESS_CODES: readonly string[] = ['EMFILE', 'ENFILE', 'ENOMEM']

/** The disk, or the quota of whoever writes, has no room; it may have some later. */
export function isNoSpace(error: unknown): boolean {
  return SPACE_CODES.includes(codeOf(error))
}

/** It is this process, or the system, that has no files or memory left; it may have some later. */
export function isProcessShort(error: unknown): boolean {
  return PROCESS_CODES.includes(codeOf(error))
}

/** Something ran out that may come back: nothing is wrong with what is on the disk. */
export function isShortage(error: unknown): boolean {
  return isNoSpace(error) || isProcessShort(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Below the recovery point a log holds something else than what was made durable there. */
export function corruptLog(message: string): StorageError {
  return new StorageError(message, { code: 'LOG_CORRUPT' })
}
