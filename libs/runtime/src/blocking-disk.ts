import * as fs from 'node:fs'
import type { Disk, DiskCallback, DiskFile, DiskResult, StorageError } from '@fairlead/log'
import { diskFailure } from './disk-failure.ts'

/**
 * Asked before each read and write, with its bytes: it may block the thread to hold a rate, and an
 * error from it is the result of the operation.
 */
export type BeforeTransfer = (bytes: number) => StorageError | undefined

/**
 * The `Disk` port for a worker thread that has nothing else to do: every call blocks, and calls back
 * before it returns. Nothing goes through the pool of libuv, whose few threads the event loop shares
 * with all its reads and syncs. Never to be used on the event loop.
 */
export function blockingDisk(beforeTransfer: BeforeTransfer = () => undefined): Disk {
  return {
    open: (path, mode, done) => {
      const { O_RDWR, O_CREAT } = fs.constants
      const flags = mode === 'create' ? O_RDWR | O_CREAT : O_RDWR
      done(attempt(path, () => blockingFile(fs.openSync(path, flags, 0o644), path, beforeTransfer)))
    },
    fileSizeBytes: (path, done) => done(attempt(path, () => fs.statSync(path).size)),
    rename: (from, to, done) => done(attempt(from, () => fs.renameSync(from, to))),
    removeFile: (path, done) => done(attempt(path, () => fs.unlinkSync(path))),
    removeDirectory: (path, done) => done(attempt(path, () => fs.rmdirSync(path))),
    makeDirectory: (path, done) => {
      done(
        attempt(path, () => {
          fs.mkdirSync(path, { recursive: true })
        }),
      )
    },
    list: (path, done) => done(attempt(path, () => fs.readdirSync(path).sort())),
    syncDirectory: (path, done) => done(attempt(path, () => syncDirectory(path))),
  }
}

function blockingFile(descriptor: number, path: string, beforeTransfer: BeforeTransfer): DiskFile {
  const transfer = <Value>(bytes: number, done: DiskCallback<Value>, run: () => Value): void => {
    const error = beforeTransfer(bytes)
    done(error === undefined ? attempt(path, run) : { ok: false, error })
  }
  return {
    read: (position, target, done) =>
      transfer(target.length, done, () => readFully(descriptor, position, target)),
    write: (position, chunks, done) => {
      const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      transfer(sizeBytes, done, () => writeFully(descriptor, position, chunks))
    },
    datasync: (done) => done(attempt(path, () => fs.fdatasyncSync(descriptor))),
    truncate: (sizeBytes, done) =>
      done(attempt(path, () => fs.ftruncateSync(descriptor, sizeBytes))),
    close: (done) => done(attempt(path, () => fs.closeSync(descriptor))),
  }
}

function readFully(descriptor: number, position: number, target: Uint8Array): number {
  let filled = 0
  while (filled < target.length) {
    const left = target.length - filled
    const count = fs.readSync(descriptor, target, filled, left, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}

function writeFully(descriptor: number, position: number, chunks: readonly Uint8Array[]): void {
  let at = position
  for (const chunk of chunks) {
    for (let written = 0; written < chunk.length; ) {
      const count = fs.writeSync(descriptor, chunk, written, chunk.length - written, at)
      written += count
      at += count
    }
  }
}

function syncDirectory(path: string): void {
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY)
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

function attempt<Value>(path: string, run: () => Value): DiskResult<Value> {
  try {
    return { ok: true, value: run() }
  } catch (error) {
    return diskFailure(error, path)
  }
}
