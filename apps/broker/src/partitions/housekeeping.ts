import type { Clock, Timers } from '@fairlead/base'
import { RetentionClock, isNoSpace } from '@fairlead/log'
import type { Controller } from '../cluster/controller.ts'
import type { BrokerConfig } from '../config.ts'
import {
  AWAITED_OPEN_INTERVAL_MS,
  CHECKPOINT_INTERVAL_MS,
  DELETED_FILES_CHECK_INTERVAL_MS,
  FLUSH_CHECK_INTERVAL_MS,
  RECOVERY_BYTES_MAX,
  RECOVERY_CHECK_INTERVAL_MS,
  SPACE_CHECK_INTERVAL_MS,
} from '../limits.ts'
import { RequestRefused } from '../network/connection.ts'
import type { DataDirectories } from '../storage/data-directories.ts'
import { settled } from './log-calls.ts'
import type { LocalPartition, PartitionTable } from './partition-table.ts'

export type HousekeepingOptions = {
  readonly config: BrokerConfig
  readonly directories: DataDirectories
  readonly partitions: PartitionTable
  readonly controller: Pick<Controller, 'openAwaited'>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
  readonly onFailure: (error: unknown) => void
}

/**
 * What logs need from time to time: old segments deleted, and later their files, durable states written so that a crash
 * costs little, syncs where a topic bounds what is not on the disk yet, a look at the room on the
 * disks, and at partitions that were refused some. One partition after the other, so that clients hardly notice. Returns the function that
 * ends it.
 */
export function startHousekeeping(options: HousekeepingOptions): () => void {
  const { config, partitions, clock } = options
  const retentionClock = new RetentionClock()
  const full = new Set<string>()
  const stops = [
    repeat(options, config['log.retention.check.interval.ms'], () => {
      const reading = { wallMs: clock.wallNowMs(), monotonicMs: clock.nowMs() }
      const nowMs = retentionClock.nowMs(reading)
      if (retentionClock.isHeldBack) {
        options.logger.warn(
          { ...reading, nowMs },
          'the clock jumped forward: retention goes by the time before until it has stayed for an hour',
        )
      }
      return visitAll(partitions, (partition) => retain(partition, nowMs))
    }),
    repeat(options, CHECKPOINT_INTERVAL_MS, () => visitAll(partitions, checkpoint)),
    repeat(options, RECOVERY_CHECK_INTERVAL_MS, () => boundRecovery(partitions)),
    repeat(options, SPACE_CHECK_INTERVAL_MS, () => measureSpace(options, full)),
    repeat(options, DELETED_FILES_CHECK_INTERVAL_MS, () => removeDeletedFiles(options)),
    repeat(options, AWAITED_OPEN_INTERVAL_MS, () => openAwaited(options)),
    repeat(options, FLUSH_CHECK_INTERVAL_MS, async () => {
      for (const { log } of partitions.all()) log.flushOverdue(clock.wallNowMs())
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** A full disk has to be emptied: what the ballast kept is enough to say what is removed. */
async function retain({ log, directory }: LocalPartition, nowMs: number): Promise<void> {
  const enforce = (): Promise<void> => settled((done) => log.enforceRetention(nowMs, done))
  try {
    await enforce()
  } catch (error) {
    if (!isNoSpace(error)) throw error
    directory.space.dropBallast()
    await enforce()
  }
}

function checkpoint({ log }: LocalPartition): Promise<void> {
  return settled((done) => log.checkpoint(done))
}

/** Keeps what a start after a crash has to read below a bound, however many partitions there are. */
async function boundRecovery(partitions: PartitionTable): Promise<void> {
  const largestFirst = partitions
    .snapshot()
    .map((partition) => ({ partition, bytes: partition.log.recoveryBytes }))
    .sort((left, right) => right.bytes - left.bytes)
  let excessBytes = largestFirst.reduce((sum, { bytes }) => sum + bytes, -RECOVERY_BYTES_MAX)
  for (const { partition, bytes } of largestFirst) {
    if (excessBytes <= 0) return
    await survive(() => visit(partitions, partition, checkpoint))
    excessBytes -= bytes
  }
}

/** A full disk has to be emptied: it keeps nothing that is deleted. */
async function removeDeletedFiles({ partitions, clock }: HousekeepingOptions): Promise<void> {
  const nowMs = clock.nowMs()
  const concerned = partitions.snapshot().filter(({ log }) => log.deletedFileCount > 0)
  for (const partition of concerned) {
    await survive(() =>
      visit(partitions, partition, ({ log, directory }) =>
        settled<void>((done) => log.removeDeleted({ nowMs, isFull: directory.space.isFull }, done)),
      ),
    )
  }
}

/** `full` are the directories that were said to be. */
async function measureSpace(
  { directories, logger }: HousekeepingOptions,
  full: Set<string>,
): Promise<void> {
  for (const { path, space } of directories.online) {
    const wasFull = full.has(path)
    await survive(() => space.measure())
    const { isFull, freeBytes, reserveBytes } = space
    const fields = { directory: path, freeBytes, reserveBytes }
    if (isFull && !wasFull) {
      full.add(path)
      logger.warn(fields, 'the disk is full but for the reserve: produce requests are refused')
    } else if (wasFull && !isFull) {
      full.delete(path)
      logger.info(fields, 'there is room on the disk again: produce requests are accepted')
    }
  }
}

async function visitAll(
  partitions: PartitionTable,
  work: (partition: LocalPartition) => Promise<void>,
): Promise<void> {
  for (const partition of partitions.snapshot()) {
    await survive(() => visit(partitions, partition, work))
  }
}

async function visit(
  partitions: PartitionTable,
  partition: LocalPartition,
  work: (partition: LocalPartition) => Promise<void>,
): Promise<void> {
  const isOpen = partitions.get(partition.topic, partition.partition) === partition
  if (isOpen) await work(partition)
}

async function openAwaited({ controller }: HousekeepingOptions): Promise<void> {
  try {
    await controller.openAwaited()
  } catch (error) {
    // Too many changes wait: what was not asked for can wait longer.
    if (!(error instanceof RequestRefused)) throw error
  }
}

/** What the disk refused has taken its log or directory offline already, or is tried again. */
async function survive(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const isOfDisk = error instanceof Error && 'code' in error
    if (!isOfDisk) throw error
  }
}

/** Works, rests for the interval, and starts again. */
function repeat(
  { timers, onFailure }: HousekeepingOptions,
  intervalMs: number,
  work: () => Promise<void>,
): () => void {
  let isStopped = false
  let cancel: () => void
  const schedule = (): void => {
    cancel = timers.after(intervalMs, () => {
      work().then(
        () => {
          if (!isStopped) schedule()
        },
        (error: unknown) => {
          if (!isStopped) onFailure(error)
        },
      )
    })
  }
  schedule()
  return () => {
    isStopped = true
    cancel()
  }
}
