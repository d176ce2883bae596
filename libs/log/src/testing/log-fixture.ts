import { BufferPool } from '@fairlead/base'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import type { SimulatedDisk } from '@fairlead/simulation'
import type { DiskResult } from '../disk.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig } from '../log-config.ts'
import type { AppendResult, ReadRequest, ReadResult, TimestampLookup } from '../outcomes.ts'
import { type PartitionLog, type PartitionLogOptions, openPartitionLog } from '../partition-log.ts'
import type { FileBudget } from '../file-budget.ts'
import type { FindRecord } from '../find-record.ts'
import type { DiskSpace } from '../disk-space.ts'
import { IndexCache } from '../index-cache.ts'
import { TailCache } from '../tail-cache.ts'

/** Calls of a log on a disk that completes at once: what came back, or undefined if nothing did. */

export const DIRECTORY = '/logs/orders-0'
/** Fills the buffers that somebody else has now. */
const USED_AGAIN = 0xee
/** Pools what tests read and write, so that a buffer that is used too long shows. */
const SMALL_BUFFERS = { pooledBytesMin: 1, pooledBytesMax: 1e9, freeBytesMax: 1e9 }
export const NOW_MS = 1_700_000_000_000

export type OpenOptions = {
  readonly config?: Partial<LogConfig>
  readonly cacheBytes?: number
  readonly onFailure?: PartitionLogOptions['onFailure']
  readonly nowMs?: number
  readonly topicId?: string
  readonly space?: DiskSpace
  readonly fileBudget?: FileBudget
  readonly findRecord?: FindRecord
}

export function tryOpen(
  disk: SimulatedDisk,
  options: OpenOptions = {},
): DiskResult<PartitionLog> | undefined {
  let opened: DiskResult<PartitionLog> | undefined
  const buffers = new BufferPool(SMALL_BUFFERS)
  const openOptions: PartitionLogOptions = {
    disk,
    directory: DIRECTORY,
    config: { ...DEFAULT_LOG_CONFIG, ...options.config },
    crc32c,
    indexCache: new IndexCache({ budgetBytes: 0 }),
    tailCache: new TailCache({ budgetBytes: options.cacheBytes ?? 0, buffers }),
    buffers,
    ...(options.topicId === undefined ? {} : { topicId: options.topicId }),
    ...(options.space === undefined ? {} : { space: options.space }),
    ...(options.fileBudget === undefined ? {} : { fileBudget: options.fileBudget }),
    ...(options.findRecord === undefined ? {} : { findRecord: options.findRecord }),
    nowMs: options.nowMs ?? NOW_MS,
    onFailure: options.onFailure ?? (() => {}),
  }
  openPartitionLog(openOptions, (result) => {
    opened = result
  })
  disk.drain()
  return opened
}

export function open(disk: SimulatedDisk, options: OpenOptions = {}): PartitionLog {
  const opened = tryOpen(disk, options)
  if (opened === undefined) throw new Error('opening has not ended')
  if (!opened.ok) throw opened.error
  return opened.value
}

export type BatchOptions = {
  readonly values?: readonly string[]
  readonly timestampsMs?: readonly number[]
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isControl?: boolean
  readonly isTransactional?: boolean
}

export function batch(options: BatchOptions = {}): Uint8Array {
  const { values = ['value'], timestampsMs = [], ...header } = options
  const records = values.map((value, index) => ({
    key: null,
    value: new TextEncoder().encode(value),
    headers: [],
    timestampMs: timestampsMs[index] ?? NOW_MS,
  }))
  return encodeBatch({ records, ...header }, crc32c)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.length
  }
  return bytes
}

export type AppendOptions = {
  readonly leaderEpoch?: number
  readonly nowMs?: number
  readonly origin?: 'client' | 'coordinator'
}

export function append(
  log: PartitionLog,
  records: Uint8Array,
  options: AppendOptions = {},
): AppendResult | undefined {
  let answer: AppendResult | undefined
  const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client', ...options } as const
  // The buffer of a request that was answered is used for the next request.
  const request = new Uint8Array(records)
  log.append(request, context, (result) => {
    answer = result
    if (result.ok) request.fill(USED_AGAIN)
  })
  return answer
}

export function read(
  log: PartitionLog,
  fetchOffset: number,
  options: Partial<Omit<ReadRequest, 'fetchOffset'>> = {},
): ReadResult | undefined {
  let answer: ReadResult | undefined
  log.read({ fetchOffset, maxBytes: 1e6, ...options }, (result) => {
    answer = result
  })
  return answer
}

export function lookUp(
  start: (done: (result: TimestampLookup) => void) => void,
): TimestampLookup | undefined {
  let answer: TimestampLookup | undefined
  start((result) => {
    answer = result
  })
  return answer
}

/** All bytes from an offset on, over as many reads as it takes. */
export function readAll(log: PartitionLog, maxBytes = 1e6): Uint8Array {
  const parts: Uint8Array[] = []
  let next: number = log.logStartOffset
  while (next < log.highWatermark) {
    const result = read(log, next, { maxBytes })
    if (result?.ok !== true) throw new Error(`no read at ${next}: ${JSON.stringify(result)}`)
    if (result.nextOffset <= next) throw new Error(`a read at ${next} does not go on`)
    parts.push(...result.chunks)
    next = result.nextOffset
  }
  return concat(...parts)
}

export function settled<Value>(
  start: (done: (result: DiskResult<Value>) => void) => void,
): DiskResult<Value> | undefined {
  let answer: DiskResult<Value> | undefined
  start((result) => {
    answer = result
  })
  return answer
}
