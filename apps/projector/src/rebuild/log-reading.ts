import { setImmediate } from 'node:timers/promises'
import type { PreparedRecord } from '@fairlead/projection'
import type { EventLog } from '../log/event-log.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import type { PartitionProgress } from '../store/checkpoints.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import type { BuildSession } from './build-session.ts'
import { MergedLog } from './merged-log.ts'
import { type ParkedKeysByTopic, readParkedKeys } from './parked-keys.ts'

const RECORDS_AT_A_TIME = 1_000

type LogReadingOptions = {
  readonly session: BuildSession
  readonly log: EventLog
  readonly reader: RecordReader
  readonly registered: RegisteredProjection
  readonly fetchBytesMax: number
  readonly signal: AbortSignal
}

/** Gets the records of the log, and what the version has parked of those that it has seen. */
export type TakeRecords = (
  records: readonly PreparedRecord[],
  parkedKeys: ParkedKeysByTopic,
) => Promise<void>

/** Reads the log of a version once, in the order of its source, in as many steps as its caller likes. */
export class LogReading {
  readonly #options: LogReadingOptions
  readonly #take: TakeRecords
  #positions: readonly PartitionProgress[] = []
  #readCount = 0

  constructor(options: LogReadingOptions, take: TakeRecords) {
    this.#options = options
    this.#take = take
  }

  /** Records of the log that are behind it. */
  get readCount(): number {
    return this.#readCount
  }

  /**
   * Reads on to the ends, from the first record of each partition that it has not seen. `ends` are
   * the checkpoints of the version: what it has parked of the records before them is known by now.
   *
   * @throws what takes the records throws.
   */
  async readTo(ends: readonly PartitionProgress[]): Promise<void> {
    const { log, reader, fetchBytesMax, signal, session, registered } = this.#options
    const parkedKeys = await readParkedKeys(session.db, registered)
    const partitions = await Promise.all(
      ends.map(async ({ topic, partition, progress: { nextOffset: end } }) => {
        const earliest = await log.earliestOffset(topic, partition)
        const begin = { nextOffset: Math.min(end, earliest), source: null, eventTimeMs: null }
        const read = this.#positions.find(
          (position) => position.topic === topic && position.partition === partition,
        )
        return { topic, partition, start: read?.progress ?? begin, end }
      }),
    )
    const onTrouble = (): void => undefined
    const prepare: RecordReader['prepare'] = (records) => reader.prepare(records)
    const merged = new MergedLog({ log, prepare, partitions, fetchBytesMax, signal, onTrouble })
    for (;;) {
      await setImmediate()
      signal.throwIfAborted()
      const records = await merged.next(RECORDS_AT_A_TIME)
      this.#readCount = merged.readCount
      if (records.length === 0) break
      await this.#take(records, parkedKeys)
    }
    this.#positions = merged.positions()
  }
}
