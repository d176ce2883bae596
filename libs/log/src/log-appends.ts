import { invariant, offset } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import { type Admitted, admitBatches } from './admission.ts'
import { appended } from './append-waiters.ts'
import { type ValidBatch, refused, validateBatches } from './batch-validation.ts'
import type { StorageError } from './disk.ts'
import type { DiskSpace } from './disk-space.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { LogCheckpoints } from './log-checkpoints.ts'
import type { LogConfig } from './log-config.ts'
import type { LogFiles } from './log-files.ts'
import { LogWriter, type PlacedBatch } from './log-writer.ts'
import type { AppendContext, AppendRefusal, AppendResult } from './outcomes.ts'
import { placeBatches } from './placement.ts'
import { type ProducerEntry, ProducerStates } from './producer-state.ts'
import type { SegmentEnd } from './segment.ts'
import type { PartitionTail } from './tail-cache.ts'
import type { Watermarks } from './watermarks.ts'

export type LogAppendsOptions = {
  readonly config: LogConfig
  readonly crc32c: Crc32c
  readonly space: DiskSpace | undefined
  readonly lifecycle: Lifecycle
  readonly watermarks: Watermarks
  readonly files: LogFiles
  readonly tail: PartitionTail
  /** As recovered: from now on those of the durable batches. */
  readonly producers: ProducerStates
  readonly leaderEpochs: LeaderEpochs
  readonly checkpoints: LogCheckpoints
  /** Up to where the active segment is durable, as recovered. */
  readonly durable: SegmentEnd
  readonly onFailure: (error: StorageError) => void
}

/** Appends beyond this wait in memory for a disk that does not keep up: refused, to be retried. */
const PLACED_BYTES_MAX = 67_108_864

/**
 * The way of a batch into the log: checked, placed, written, durable, answered.
 *
 * Invariants: offsets are assigned without gaps, in the order of the calls; an append is answered once;
 * what is refused leaves no trace in offsets, leader epochs or producers.
 */
export class LogAppends {
  readonly #options: LogAppendsOptions
  readonly writer: LogWriter
  /** Producers with every batch that has an offset, and with the durable batches only. */
  #placedProducers: ProducerStates
  readonly durableProducers: ProducerStates
  #config: LogConfig

  constructor(options: LogAppendsOptions) {
    const { config, files, producers, durable, onFailure } = options
    this.#options = options
    this.#config = config
    this.#placedProducers = new ProducerStates(producers.entries())
    this.durableProducers = producers
    this.writer = new LogWriter({
      segment: files.active,
      durable,
      config,
      events: {
        onWritten: (batches) => this.#onWritten(batches),
        onDurable: (batches) => this.#onDurable(batches),
        roll: (end, createdMs, done) => {
          const { indexIntervalBytes } = this.#config
          files.roll(end, { createdMs, indexIntervalBytes }, done)
        },
        hasBegunNext: () => files.hasBegunNext,
        onDiskFull: (error) => this.#onDiskFull(error),
        onFailure,
      },
    })
  }

  /** See `PartitionLog.append`. */
  append(
    records: Uint8Array,
    context: AppendContext,
    onDurable: (result: AppendResult) => void,
  ): void {
    const unable = this.#refusal()
    if (unable !== undefined) {
      onDurable(unable)
      return
    }
    const { crc32c, space, watermarks } = this.#options
    const { nowMs, origin } = context
    const valid = validateBatches(records, { config: this.#config, nowMs, crc32c, origin })
    if (!valid.ok) {
      onDurable(valid)
      return
    }
    const placement = { logEndOffset: watermarks.logEndOffset, nowMs, origin }
    const admitted = admitBatches(valid.batches, this.#placedProducers, placement)
    switch (admitted.kind) {
      case 'refused':
        onDurable(admitted.refusal)
        break
      case 'duplicate':
        this.#answerDuplicate(admitted, onDurable)
        break
      case 'append':
        if (space?.admits(records.length, origin) === false) {
          onDurable(refused('KAFKA_STORAGE_ERROR', 'the disk is full'))
          break
        }
        this.#place(records, valid.batches, admitted.entries, context, onDurable)
        break
    }
  }

  updateConfig(config: LogConfig): void {
    this.#config = config
    this.writer.updateConfig(config)
  }

  /** Forgets producers that were silent for long. */
  expireProducers(nowMs: number): void {
    const { producerIdExpirationMs } = this.#config
    this.#placedProducers.expire(nowMs, producerIdExpirationMs)
    this.durableProducers.expire(nowMs, producerIdExpirationMs)
  }

  #refusal(): AppendRefusal | undefined {
    const unavailable = this.#options.lifecycle.changeRefusal()
    if (unavailable !== undefined) return unavailable
    if (this.writer.placedBytes > PLACED_BYTES_MAX) {
      return refused('REQUEST_TIMED_OUT', 'the disk does not keep up')
    }
    return undefined
  }

  #place(
    records: Uint8Array,
    batches: readonly ValidBatch[],
    entries: readonly (ProducerEntry | null)[],
    { leaderEpoch, nowMs }: AppendContext,
    onDurable: (result: AppendResult) => void,
  ): void {
    const { crc32c, leaderEpochs, watermarks, files } = this.#options
    invariant(leaderEpoch >= leaderEpochs.latest, 'leader epochs do not go back')
    const baseOffset = watermarks.logEndOffset
    const isLogAppendTime = this.#config.messageTimestampType === 'LogAppendTime'
    const placement = { baseOffset, leaderEpoch, nowMs, isLogAppendTime, crc32c }
    const placed = placeBatches(records, batches, entries, placement)
    leaderEpochs.assign(leaderEpoch, baseOffset)
    for (const { header, producerEntry } of placed) {
      if (producerEntry !== null) this.#placedProducers.set(header.producerId, producerEntry)
    }
    watermarks.setLogEnd(placed.at(-1)?.nextOffset ?? baseOffset)
    const result = appended(
      { baseOffset, lastOffset: watermarks.logEndOffset - 1 },
      {
        logAppendTimeMs: isLogAppendTime ? nowMs : -1,
        logStartOffset: offset(files.logStartOffset),
        duplicate: false,
      },
    )
    watermarks.waiters.add(result, onDurable)
    this.writer.write(placed)
  }

  /**
   * A retry of a batch that is still on its way to the disk waits as its original does. So does one of a
   * batch that recovery found and had no room to make durable: the first room decides.
   */
  #answerDuplicate(
    range: Extract<Admitted, { readonly kind: 'duplicate' }>,
    onDurable: (result: AppendResult) => void,
  ): void {
    const { files, watermarks } = this.#options
    const logStartOffset = offset(files.logStartOffset)
    const result = appended(range, { logAppendTimeMs: -1, logStartOffset, duplicate: true })
    if (range.lastOffset < Math.min(watermarks.highWatermark, this.writer.reachableOffset)) {
      onDurable(result)
      return
    }
    watermarks.waiters.add(result, onDurable)
    this.writer.flushUnsure()
  }

  #onWritten(batches: readonly PlacedBatch[]): void {
    const { tail, watermarks } = this.#options
    let sizeBytes = 0
    for (const { header, bytes, nextOffset } of batches) {
      tail.add(bytes, header.baseOffset, nextOffset)
      sizeBytes += bytes.length
    }
    if (this.#config.durability !== 'group') {
      watermarks.advanceHighWatermark(this.writer.writtenOffset, sizeBytes)
    }
  }

  #onDurable(batches: readonly PlacedBatch[]): void {
    const { checkpoints, watermarks } = this.#options
    let sizeBytes = 0
    for (const { header, bytes, producerEntry } of batches) {
      if (producerEntry !== null) this.durableProducers.set(header.producerId, producerEntry)
      sizeBytes += bytes.length
    }
    checkpoints.count(sizeBytes)
    watermarks.advanceHighWatermark(this.writer.durable.nextOffset, sizeBytes)
    checkpoints.writeIfDue()
  }

  /** Takes back what was placed and is not written. It is refused, to be retried. */
  #onDiskFull(error: StorageError): void {
    const { leaderEpochs, watermarks } = this.#options
    const refusal = refused('KAFKA_STORAGE_ERROR', error.message)
    const end = this.writer.writtenOffset
    watermarks.setLogEnd(end)
    leaderEpochs.cutFrom(end)
    this.#placedProducers = new ProducerStates(this.durableProducers.entries())
    for (const { header, producerEntry } of this.writer.unsynced()) {
      if (producerEntry !== null) this.#placedProducers.set(header.producerId, producerEntry)
    }
    watermarks.waiters.refuseFrom(this.writer.reachableOffset, refusal)
  }
}
