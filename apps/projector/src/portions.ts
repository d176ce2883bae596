import { invariant } from '@fairlead/base'
import { type PreparedRecord, type Progress, planOf } from '@fairlead/projection'
import type { BatchSize } from './batch-size.ts'
import type { HeldPartition } from './held-partition.ts'
import type { Batch } from './log/batch-source.ts'
import type { EventLog } from './log/event-log.ts'
import type { RecordReader } from './log/prepare-records.ts'
import { MovedKeys } from './moved-keys.ts'
import { pauseFor } from './pause.ts'
import type { Recovery } from './recovery.ts'
import { StopRequired, explainUnknown } from './stop-reasons.ts'
import type { Database } from './store/database.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import type { WorkerTroubles } from './worker-troubles.ts'

/** How soon a worker looks again whether another partition has caught up with a key that came from it. */
const ORDER_POLL_MS = 50

/** Records that are applied in one transaction. */
export type Portion = Batch & {
  /** Those of its keys that were parked before, and others. */
  readonly parkedKeys: ReadonlySet<string>
  /** It has keys of which another partition may have events at the same time. */
  readonly hasMovedKeys: boolean
}

type PortionsOptions = {
  readonly db: Database
  readonly log: Pick<EventLog, 'highWatermark' | 'partitionCount' | 'read'>
  readonly reader: RecordReader
  readonly partition: ProjectionPartition
  readonly held: HeldPartition
  readonly batchSize: BatchSize
  readonly recovery: Recovery
  readonly troubles: WorkerTroubles
  readonly nowMs: () => number
  /** The worker stops. */
  readonly signal: AbortSignal
}

/** Cuts batches into what one transaction applies, in the order of keys that moved between partitions. */
export class Portions {
  readonly #options: PortionsOptions
  #movedKeys: MovedKeys | undefined

  constructor(options: PortionsOptions) {
    this.#options = options
  }

  /** The partition was taken over. */
  async begin(): Promise<void> {
    this.#movedKeys = await MovedKeys.of({ ...this.#options, wallMs: () => Date.now() })
  }

  /** Whether another partition may have events of a key that this one has letters of. */
  get mayShareKeys(): boolean {
    return this.#movedKeys?.mayBeInTwo === true
  }

  /**
   * What of a batch is to be applied next; null after a wait for another partition.
   *
   * @throws {StopRequired} at a record that the projection cannot judge.
   */
  async next(batch: Batch): Promise<Portion | null> {
    const { held, recovery, troubles, signal } = this.#options
    const portion = this.#cut(batch, held.progress)
    const permitted = await recovery.untilDone('reload', () => this.#permitted(portion.records))
    if (permitted === null) return null
    const { count, ...ofKeys } = permitted
    if (count > 0 || portion.records.length === 0) troubles.settle('order')
    if (count === portion.records.length) return { ...portion, ...ofKeys }
    const first = portion.records[count]
    invariant(first !== undefined, 'what may not be applied yet is in the portion')
    const { offset } = first.record
    if (count > 0) {
      const records = portion.records.slice(0, count)
      return { ...portion, records, nextOffset: offset, ...ofKeys }
    }
    const reason = `the key at offset ${offset} was in another partition, which has events before it`
    troubles.pause('order', { failureClass: 'order', reason })
    await pauseFor(ORDER_POLL_MS, signal)
    return null
  }

  /** How many of the records may be applied, and which of their keys are parked. */
  async #permitted(records: readonly PreparedRecord[]) {
    const { signal, held } = this.#options
    const { parkedKeys } = held
    invariant(this.#movedKeys !== undefined, 'what moved is known before records are applied')
    const { count, moved, isOver } = await this.#movedKeys.permitted(records, signal)
    // After the checkpoints of other partitions were read: what these parked up to there is seen. Of
    // keys that moved in a growth that is over nobody asks any more.
    if (isOver) await parkedKeys.reload()
    const parked = await parkedKeys.among(records.slice(0, count), moved)
    return { count, parkedKeys: parked, hasMovedKeys: moved.size > 0 }
  }

  /** As many of the records as one transaction takes, from the checkpoint on. */
  #cut(batch: Batch, from: Progress): Batch {
    const { nextOffset: startOffset } = from
    invariant(batch.startOffset <= startOffset, 'a batch has what comes next')
    const start = batch.records.findIndex(({ record }) => record.offset >= startOffset)
    if (start < 0) return { ...batch, startOffset, records: [] }
    const end = this.#endOf(batch, start)
    if (start === 0 && end === batch.records.length) return batch
    const records = batch.records.slice(start, end)
    if (end === batch.records.length) return { ...batch, startOffset, records }
    const last = records.at(-1)
    invariant(last !== undefined, 'a portion is not empty')
    return { ...batch, startOffset, records, nextOffset: last.record.offset + 1 }
  }

  /** Ahead of a record that the projection cannot judge; such a record itself is the end. */
  #endOf({ records }: Batch, start: number): number {
    const end = Math.min(records.length, start + this.#options.batchSize.recordsMax)
    for (let index = start; index < end; index += 1) {
      const record = records[index]
      if (record === undefined || planOf(record) !== 'unknown') continue
      if (index > start) return index
      const { topic, projection } = this.#options.partition
      const eventType = record.eventType ?? ''
      throw new StopRequired(explainUnknown({ eventType, topic, projection }))
    }
    return end
  }
}
