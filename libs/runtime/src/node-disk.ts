import * as fs from 'node:fs'
import type { Disk, DiskCallback, DiskFile, DiskResult } from '@fairlead/log'
import { diskFailure } from './disk-failure.ts'
import { InlineReads } from './inline-reads.ts'
import { Permits } from './permits.ts'

export type NodeDiskOptions = {
  /** Syncs under way at once; the pool of libuv serves reads with the threads that are left. */
  readonly syncsMax?: number
  /** Writes up to this size are made at once on the event loop, larger ones in the pool. */
  readonly synchronousWriteBytesMax?: number
  /** The same for reads, while the page cache seems to have what is read. */
  readonly synchronousReadBytesMax?: number
}

/** Half of libuv's default pool of four: a sync takes milliseconds, and reads must not wait for it. */
const SYNCS_MAX = 2
/**
 * A write to the page cache takes about 10 µs per 16 KiB, a millisecond for the largest batch that
 * clients send by default. Through the pool it costs more processor time, and on a busy machine two
 * waits for it: half of the throughput. Larger writes would hold the event loop for too long.
 */
const SYNCHRONOUS_WRITE_BYTES_MAX = 1_310_720
/** As little time, and as many waits saved. */
const SYNCHRONOUS_READ_BYTES_MAX = 1_310_720
/** Linux refuses more buffers in one call. */
const CHUNKS_PER_WRITE_MAX = 1024

/** The `Disk` port on node:fs. Callbacks of synchronous reads and writes run before the call returns. */
export function nodeDisk(options: NodeDiskOptions = {}): Disk {
  const syncs = new Permits(options.syncsMax ?? SYNCS_MAX)
  const writeLimit = options.synchronousWriteBytesMax ?? SYNCHRONOUS_WRITE_BYTES_MAX
  const readLimit = options.synchronousReadBytesMax ?? SYNCHRONOUS_READ_BYTES_MAX
  const inlineReads = new InlineReads({
    nowMs: () => performance.now(),
    usage: () => {
      const { fsRead, involuntaryContextSwitches } = process.resourceUsage()
      return { diskReads: fsRead, preemptions: involuntaryContextSwitches }
    },
    nextTurn: setImmediate,
  })
  return {
    open: (path, mode, done) => {
      const { O_RDWR, O_CREAT } = fs.constants
      const flags = mode === 'create' ? O_RDWR | O_CREAT : O_RDWR
      fs.open(path, flags, 0o644, (error, descriptor) => {
        if (error !== null) done(diskFailure(error, path))
        else
          done({
            ok: true,
            value: nodeFile({ descriptor, path, syncs, writeLimit, readLimit, inlineReads }),
          })
      })
    },
    fileSizeBytes: (path, done) => {
      fs.stat(path, (error, stats) => {
        done(error === null ? { ok: true, value: stats.size } : diskFailure(error, path))
      })
    },
    rename: (from, to, done) => fs.rename(from, to, settle(from, done)),
    removeFile: (path, done) => fs.unlink(path, settle(path, done)),
    removeDirectory: (path, done) => fs.rmdir(path, settle(path, done)),
    makeDirectory: (path, done) => {
      fs.mkdir(path, { recursive: true }, (error) => settle(path, done)(error))
    },
    list: (path, done) => {
      fs.readdir(path, (error, names) => {
        done(error === null ? { ok: true, value: names.sort() } : diskFailure(error, path))
      })
    },
    syncDirectory: (path, done) => syncDirectory(path, syncs, done),
  }
}

type OpenFile = {
  readonly descriptor: number
  readonly path: string
  readonly syncs: Permits
  readonly writeLimit: number
  readonly readLimit: number
  readonly inlineReads: InlineReads
}

function nodeFile(open: OpenFile): DiskFile {
  const { descriptor, path, syncs } = open
  return {
    read: (position, target, done) => {
      const isSmall = target.length <= open.readLimit
      if (isSmall && open.inlineReads.admits(target.length)) done(readNow(open, position, target))
      else readInPool(open, { position, target, filled: 0 }, done)
    },
    write: (position, chunks, done) => {
      const filled = chunks.filter((chunk) => chunk.length > 0)
      const sizeBytes = filled.reduce((sum, chunk) => sum + chunk.length, 0)
      if (sizeBytes <= open.writeLimit) done(writeNow(open, position, filled))
      else writeInPool(open, position, filled, done)
    },
    datasync: (done) => {
      syncs.take((giveBack) => {
        fs.fdatasync(descriptor, (error) => {
          giveBack()
          settle(path, done)(error)
        })
      })
    },
    truncate: (sizeBytes, done) => fs.ftruncate(descriptor, sizeBytes, settle(path, done)),
    close: (done) => fs.close(descriptor, (error) => settle(path, done)(error ?? null)),
  }
}

/** What one call leaves is behind the end of the file, or asked for again. */
function readNow(open: OpenFile, position: number, target: Uint8Array): DiskResult<number> {
  try {
    return {
      ok: true,
      value: open.inlineReads.perform(target.length, () => {
        let filled = 0
        while (filled < target.length) {
          const count = fs.readSync(
            open.descriptor,
            target,
            filled,
            target.length - filled,
            position + filled,
          )
          if (count === 0) break
          filled += count
        }
        return filled
      }),
    }
  } catch (error) {
    return diskFailure(error, open.path)
  }
}

type Reading = { readonly position: number; readonly target: Uint8Array; readonly filled: number }

function readInPool(open: OpenFile, reading: Reading, done: DiskCallback<number>): void {
  const { position, target, filled } = reading
  if (filled === target.length) {
    done({ ok: true, value: filled })
    return
  }
  const rest = target.subarray(filled)
  fs.read(open.descriptor, rest, 0, rest.length, position + filled, (error, count) => {
    if (error !== null) done(diskFailure(error, open.path))
    else if (count === 0) done({ ok: true, value: filled })
    else readInPool(open, { position, target, filled: filled + count }, done)
  })
}

function writeNow(open: OpenFile, position: number, chunks: readonly Uint8Array[]) {
  try {
    let at = position
    let rest = chunks
    while (rest.length > 0) {
      const count = fs.writevSync(open.descriptor, rest.slice(0, CHUNKS_PER_WRITE_MAX), at)
      at += count
      rest = afterBytes(rest, count)
    }
    return DONE
  } catch (error) {
    return diskFailure(error, open.path)
  }
}

function writeInPool(
  open: OpenFile,
  position: number,
  chunks: readonly Uint8Array[],
  done: DiskCallback<void>,
): void {
  if (chunks.length === 0) {
    done(DONE)
    return
  }
  fs.writev(open.descriptor, chunks.slice(0, CHUNKS_PER_WRITE_MAX), position, (error, count) => {
    if (error !== null) done(diskFailure(error, open.path))
    else writeInPool(open, position + count, afterBytes(chunks, count), done)
  })
}

/** What is left of `chunks` after a write of `count` bytes, which may be short. */
function afterBytes(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count
  let index = 0
  for (let next = chunks[0]; next !== undefined && left >= next.length; next = chunks[index]) {
    left -= next.length
    index += 1
  }
  const [first, ...others] = chunks.slice(index)
  return first === undefined ? [] : [first.subarray(left), ...others]
}

function syncDirectory(path: string, syncs: Permits, done: DiskCallback<void>): void {
  fs.open(path, fs.constants.O_RDONLY, (error, descriptor) => {
    if (error !== null) {
      done(diskFailure(error, path))
      return
    }
    syncs.take((giveBack) => {
      fs.fsync(descriptor, (syncError) => {
        giveBack()
        fs.close(descriptor, (closeError) => settle(path, done)(syncError ?? closeError ?? null))
      })
    })
  })
}

const DONE = { ok: true, value: undefined } as const

function settle(path: string, done: DiskCallback<void>) {
  return (error: NodeJS.ErrnoException | null): void => {
    done(error === null ? DONE : diskFailure(error, path))
  }
}
