import {
  type CompressionType,
  type DecodedRecord,
  type PositionedBatch,
  type TimestampType,
  crc32c,
  decodeRecords,
  encodeBatch,
  splitBatches,
} from '@fairlead/protocol'
import type { BatchCodecs } from '../compaction/batch-records.ts'
import { type CompactionJob, type CompactionResult, compactLog } from '../compaction/compact-log.ts'
import type { PlannedCompaction } from '../compaction/plan.ts'
import type { DiskResult } from '../disk.ts'
import { runTask } from '../disk-task.ts'
import type { LogConfig } from '../log-config.ts'
import type { PartitionLog } from '../partition-log.ts'
import { NOW_MS, append, open, readAll, settled } from './log-fixture.ts'
import { SimulatedDisk } from '@fairlead/simulation'

export type KeyedRecord = {
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs?: number
}

/** Two records of the size that `logOf` appends fill a segment. */
export const CONFIG: Partial<LogConfig> = {
  segmentBytes: 150,
  indexIntervalBytes: 60,
  cleanupPolicy: ['compact'],
}

const UTF8 = new TextEncoder()
const TEXT = new TextDecoder()

export type KeyedBatchOptions = {
  readonly baseOffset?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
}

export function keyed(
  records: readonly KeyedRecord[],
  options: KeyedBatchOptions = {},
): Uint8Array {
  return encodeBatch(
    {
      ...options,
      records: records.map(({ key, value, timestampMs }) => ({
        key: key === null ? null : UTF8.encode(key),
        value: value === null ? null : UTF8.encode(value),
        timestampMs: timestampMs ?? NOW_MS,
      })),
    },
    crc32c,
  )
}

export function set(key: string | null, value: string | null): KeyedRecord[] {
  return [{ key, value }]
}

/** A log of batches of one record. */
export function logOf(
  sets: readonly (readonly [key: string | null, value: string | null])[],
  config: Partial<LogConfig> = CONFIG,
): { readonly disk: SimulatedDisk; readonly log: PartitionLog } {
  const disk = new SimulatedDisk()
  const log = open(disk, { config, cacheBytes: 1e6 })
  // As a coordinator: clients may write no records without a key.
  for (const [key, value] of sets) {
    append(log, keyed(set(key, value)), { origin: 'coordinator' })
  }
  return { disk, log }
}

/** A compression that only a test can undo: every bit is turned. */
const TURNING: BatchCodecs = {
  compress: (_, bytes) => bytes.map((byte) => ~byte),
  decompress: (_, bytes) => bytes.map((byte) => ~byte),
}

const SMALL_JOB: Pick<CompactionJob, 'nowMs' | 'mapBytes' | 'mapLoadFactor' | 'bufferBytes'> = {
  nowMs: NOW_MS,
  mapBytes: 24_000,
  mapLoadFactor: 0.9,
  bufferBytes: 100,
}

export type CompactOptions = Partial<typeof SMALL_JOB> &
  Partial<Pick<CompactionJob, 'abortedTransactions'>> & { readonly codecs?: BatchCodecs }

/** Plans a compaction; undefined while the disk has not answered. */
export function plan(log: PartitionLog, nowMs: number = NOW_MS): PlannedCompaction | undefined {
  const planned = settled<PlannedCompaction>((done) => log.planCompaction(nowMs, done))
  if (planned?.ok === false) throw planned.error
  return planned?.value
}

/** Compacts a log whether it is due or not; undefined when there is nothing, or the disk crashed. */
export function compact(
  disk: SimulatedDisk,
  log: PartitionLog,
  options: CompactOptions = {},
): DiskResult<CompactionResult> | undefined {
  const { codecs = TURNING, abortedTransactions = [], ...limits } = options
  const planned = plan(log, options.nowMs)
  if (planned === undefined || planned.plan.cleanableBytes === 0) return undefined
  const job: CompactionJob = {
    ...log.compactionJob(planned, { ...SMALL_JOB, ...limits }),
    abortedTransactions,
  }
  let result: DiskResult<CompactionResult> | undefined
  const task = compactLog(job, {
    disk,
    crc32c,
    codecs,
    onSegment: (range, done) =>
      log.replaceSegments(range, job.nowMs, (replaced) => {
        if (replaced.ok && !replaced.value) throw new Error('the segments are gone')
        done(replaced.ok ? { ok: true, value: undefined } : replaced)
      }),
  })
  runTask(task, (compacted) => {
    if (!compacted.ok) result = compacted
    else {
      log.endCompaction(compacted.value.firstDirtyOffset, (ended) => {
        result = ended.ok ? compacted : ended
      })
    }
  })
  return result
}

export type SeenRecord = {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
}

/** Every record that a reader of the log gets, in order. */
export function records(log: PartitionLog): SeenRecord[] {
  const bytes = readAll(log)
  return splitBatches(bytes).flatMap((header) =>
    decodeRecords(bytes, header.position, header, TURNING.decompress).map(seen),
  )
}

export function batches(log: PartitionLog): PositionedBatch[] {
  return splitBatches(readAll(log))
}

function seen({ offset, key, value, timestampMs }: DecodedRecord): SeenRecord {
  return {
    offset,
    key: key === null ? null : TEXT.decode(key),
    value: value === null ? null : TEXT.decode(value),
    timestampMs,
  }
}

/** `key=value@offset`, for expectations that can be read. */
export function shown(log: PartitionLog): string[] {
  return records(log).map(({ offset, key, value }) => `${key}=${value}@${offset}`)
}

const ATTRIBUTES = 21
const CRC = 17
const TYPES: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const LOG_APPEND_TIME = 0x08
const DELETE_HORIZON = 0x40

/** The batch as a client would have sent it: compressed by `TURNING`, or stamped by a broker. */
export function altered(
  batch: Uint8Array,
  options: {
    readonly compression?: CompressionType
    readonly timestampType?: TimestampType
    /** Its base timestamp is until when its tombstones stay. */
    readonly hasDeleteHorizon?: boolean
  },
): Uint8Array {
  const { compression = 'none', timestampType = 'CreateTime', hasDeleteHorizon = false } = options
  const bytes = new Uint8Array(batch)
  if (compression !== 'none') bytes.set(TURNING.compress(compression, bytes.subarray(61)), 61)
  const view = new DataView(bytes.buffer)
  const stamped = timestampType === 'LogAppendTime' ? LOG_APPEND_TIME : 0
  const flags = stamped | (hasDeleteHorizon ? DELETE_HORIZON : 0)
  view.setInt16(ATTRIBUTES, view.getInt16(ATTRIBUTES) | TYPES.indexOf(compression) | flags)
  view.setUint32(CRC, crc32c(bytes.subarray(ATTRIBUTES)))
  return bytes
}
