import { invariant } from '@fairlead/base'
import type { SegmentRange } from '../checkpoints.ts'
import type { DiskCallback } from '../disk.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { LogConfig } from '../log-config.ts'
import type { LogFiles } from '../log-files.ts'
import type { ProducerStates } from '../producer-state.ts'
import type { PartitionTail } from '../tail-cache.ts'
import type { Watermarks } from '../watermarks.ts'
import { encodeActiveProducers } from './active-producers.ts'
import type { CompactionJob } from './compact-log.ts'
import { type PlannedCompaction, planCompaction } from './plan.ts'

/** What of a job is not the log's to say. */
export type CompactionMeans = Pick<
  CompactionJob,
  'nowMs' | 'mapBytes' | 'mapLoadFactor' | 'bufferBytes'
>

export type LogCompactionOptions = {
  readonly directory: string
  readonly lifecycle: Lifecycle
  readonly watermarks: Watermarks
  readonly files: LogFiles
  readonly tail: PartitionTail
  readonly durableProducers: ProducerStates
}

/** A compaction as its log sees it: what there is to do, and the result put in place. */
export class LogCompaction {
  readonly #options: LogCompactionOptions

  constructor(options: LogCompactionOptions) {
    this.#options = options
  }

  /** See `PartitionLog.planCompaction`. */
  plan(config: LogConfig, nowMs: number, done: DiskCallback<PlannedCompaction>): void {
    const { files, watermarks } = this.#options
    const withFirstTimestamps = config.maxCompactionLagMs < Number.MAX_SAFE_INTEGER
    files.compactionSegments({ withFirstTimestamps }, (result) => {
      if (!result.ok) {
        done(result)
        return
      }
      const segments = result.value
      const { logStartOffset, firstDirtyOffset } = files
      const { logEndOffset, lastStableOffset } = watermarks
      const state = { segments, logStartOffset, logEndOffset, lastStableOffset, firstDirtyOffset }
      done({ ok: true, value: { segments, plan: planCompaction(state, config, nowMs) } })
    })
  }

  /** See `PartitionLog.compactionJob`. */
  job(
    { segments, plan }: PlannedCompaction,
    config: LogConfig,
    means: CompactionMeans,
  ): CompactionJob {
    const { deleteRetentionMs, segmentBytes, segmentIndexBytes, indexIntervalBytes } = config
    const { firstDirtyOffset, endOffset } = plan
    return {
      ...means,
      directory: this.#options.directory,
      segments: segments.filter((segment) => segment.endOffset <= endOffset),
      firstDirtyOffset,
      endOffset,
      deleteRetentionMs,
      segmentBytes,
      segmentIndexBytes,
      indexIntervalBytes,
      producers: encodeActiveProducers(this.#options.durableProducers),
      // No transaction can begin yet.
      abortedTransactions: [],
    }
  }

  /** See `PartitionLog.replaceSegments`. */
  replaceSegments(
    range: SegmentRange,
    next: { readonly nowMs: number; readonly indexIntervalBytes: number },
    done: DiskCallback<boolean>,
  ): void {
    const { files, tail, watermarks } = this.#options
    invariant(range.endOffset <= watermarks.lastStableOffset, 'what is open is not compacted')
    files.replaceSegments(range, next, (result) => {
      if (result.ok && result.value) tail.dropBelow(range.endOffset)
      done(result)
    })
  }

  /** See `PartitionLog.endCompaction`. */
  end(firstDirtyOffset: number, done: DiskCallback<void>): void {
    const { files, lifecycle } = this.#options
    if (!lifecycle.isOpen) {
      done({ ok: true, value: undefined })
      return
    }
    invariant(firstDirtyOffset <= files.active.baseOffset, 'appends are not compacted')
    files.endCompaction(firstDirtyOffset, done)
  }
}
