import { BufferPool } from '@fairlead/base'
import {
  type DiskResult,
  IndexCache,
  type LogConfig,
  type PartitionLog,
  TailCache,
  openPartitionLog,
} from '@fairlead/log'
import { batchCrc, crc32c, readBatchHeader } from '@fairlead/protocol'
import { KEEP_UNSYNCED, type SeededRandom, type SimulatedDisk } from '@fairlead/simulation'
import { require } from '../finding.ts'
import type { LogModel, ModelBatch } from './log-model.ts'
import { SMALL_BUFFERS } from '../small-buffers.ts'

export type DamagedLogOptions = {
  /** As it is; a copy is damaged. */
  readonly disk: SimulatedDisk
  readonly directory: string
  readonly config: LogConfig
  readonly model: LogModel
  /** The power was lost, and with it what the index said of the newest bytes; nothing says it again. */
  readonly isIndexBehind: boolean
  readonly random: SeededRandom
  readonly nowMs: number
}

/**
 * Flips one bit of one file and opens the log (L3, L7): either opening reports the damage and changes
 * no segment, or every durable record is still there, and what is served is right or fails its
 * checksum. Indexes and snapshots never change a result.
 */
export function requireDamageIsNoticed(options: DamagedLogOptions): void {
  const disk = options.disk.survivor(KEEP_UNSYNCED, 'immediate')
  const path = flipBit(disk, options.random)
  if (path === undefined) return
  const sizes = segmentSizes(disk)
  const logStartOffset = Math.max(options.model.logStartOffset, storedLogStart(disk))
  const opened = openNow(disk, options)
  require(opened !== undefined, () => `${path} was damaged, and opening does not end`)
  if (opened.ok) {
    requireServed(opened.value, path, options.model, durablePointOf(options, path, sizes))
    return
  }
  require(opened.error.code === 'LOG_CORRUPT', () =>
    `${path} was damaged, and opening fails with ${opened.error.code}`)
  // What a crash kept retention from removing is removed now.
  const bases = [...sizes.keys()].map(baseOffsetOf)
  const firstKept = Math.max(...bases.filter((base) => base <= logStartOffset))
  for (const [segment, sizeBytes] of sizes) {
    if (baseOffsetOf(segment) < firstKept) continue
    require(segmentSizes(disk).get(segment) === sizeBytes, () =>
      `${path} was damaged, and ${segment} has changed its size`)
  }
}

/** Damage below is told from a torn write. */
function durablePointOf(
  { model, isIndexBehind }: DamagedLogOptions,
  damaged: string,
  sizes: ReadonlyMap<string, number>,
): number {
  // The index speaks of every byte that was synced, as long as it is there itself.
  if (!isIndexBehind && damaged.endsWith('.log')) return model.durableOffset
  // Below the last checkpoint, and in all segments but the last, nothing can be torn.
  return Math.max(model.checkpointOffset, ...[...sizes.keys()].map(baseOffsetOf))
}

/** The path of the damaged file, or undefined when there is none to damage. */
function flipBit(disk: SimulatedDisk, random: SeededRandom): string | undefined {
  const files = disk.paths().filter((path) => /\.\w+$|checkpoint$/.test(path))
  const [first, ...others] = files.filter((path) => disk.contentOf(path).length > 0)
  if (first === undefined) return undefined
  const path = random.pick([first, ...others])
  const content = disk.contentOf(path)
  const position = random.int(content.length)
  content[position] = (content[position] ?? 0) ^ (1 << random.int(8))
  return path
}

function segmentSizes(disk: SimulatedDisk): Map<string, number> {
  const segments = disk.paths().filter((path) => path.endsWith('.log'))
  return new Map(segments.map((path) => [path, disk.contentOf(path).length]))
}

/** A crash may have come between the write of a new log start and its effect; 0 when there is none. */
function storedLogStart(disk: SimulatedDisk): number {
  const path = disk.paths().find((each) => each.endsWith('/log-start-offset-checkpoint'))
  if (path === undefined) return 0
  const [, , offset] = new TextDecoder().decode(disk.contentOf(path)).split('\n')
  return Number(offset)
}

function baseOffsetOf(segment: string): number {
  return Number(segment.slice(-24, -4))
}

function openNow(
  disk: SimulatedDisk,
  { directory, config, nowMs }: DamagedLogOptions,
): DiskResult<PartitionLog> | undefined {
  let opened: DiskResult<PartitionLog> | undefined
  const buffers = new BufferPool(SMALL_BUFFERS)
  const caches = {
    buffers,
    tailCache: new TailCache({ budgetBytes: 0, buffers }),
    indexCache: new IndexCache({ budgetBytes: 0 }),
  }
  const onFailure = (): void => {}
  openPartitionLog({ disk, directory, config, crc32c, nowMs, onFailure, ...caches }, (result) => {
    opened = result
  })
  return opened
}

function requireServed(
  log: PartitionLog,
  damaged: string,
  model: LogModel,
  durablePoint: number,
): void {
  require(log.logEndOffset >= durablePoint, () =>
    `${damaged} was damaged, and the log was cut to ${log.logEndOffset}`)
  const isBeside = !damaged.endsWith('.log')
  for (const batch of model.batches) {
    if (batch.baseOffset < log.logStartOffset || batch.nextOffset > log.highWatermark) continue
    const served = readBatch(log, batch)
    require(served === 'right' || (served !== 'wrong' && !isBeside), () =>
      `${damaged} was damaged, and the batch at ${batch.baseOffset} is ${served}`)
  }
}

/** What a reader of this batch gets: its bytes, bytes that fail their checksum, others, or an error. */
function readBatch(
  log: PartitionLog,
  batch: ModelBatch,
): 'right' | 'detected' | 'wrong' | 'refused' {
  let served: 'right' | 'detected' | 'wrong' | 'refused' = 'refused'
  log.read({ fetchOffset: batch.baseOffset, maxBytes: 0 }, (result) => {
    if (!result.ok) return
    const [chunk] = result.chunks
    // A damaged count of records may end behind the high watermark: such a batch is not served.
    if (chunk === undefined) return
    if (chunk.join() === batch.bytes.join()) served = 'right'
    else served = isDetected(chunk, batch) ? 'detected' : 'wrong'
  })
  return served
}

/** Base offset, length and leader epoch are outside the checksum: a reader compares them itself. */
function isDetected(chunk: Uint8Array, batch: ModelBatch): boolean {
  const header = readBatchHeader(chunk, 0)
  if (batchCrc(chunk, 0, header, crc32c) !== header.crc) return true
  return chunk.subarray(CRC_POSITION).join() === batch.bytes.subarray(CRC_POSITION).join()
}

/** What stands before it is outside the checksum, what stands behind it is inside. */
const CRC_POSITION = 17
