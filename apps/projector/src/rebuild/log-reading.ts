import { setImmediate } from 'node:timers/promises'
import type { PreparedRecord } from '@fairlead/projection'
import type { EventLog } from '../log/event-log.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import type { PartitionProgress } from '../store/checkpoints.ts'
import { boundOf } from '../store/jobs.ts'
import { type RegisteredProjection, versionOf } from '../store/registered-projection.ts'
import type { BuildSession } from './build-session.ts'
import { isWithin } from './event-bound.ts'
import { type LogSection, MergedLog } from './merged-log.ts'
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

/**
 * Gets the records of the log, and what the version has parked of those that it has seen. It throws the reason of
 * `limit` for records that are to be given again.
 */
export type TakeRecords = (
  records: readonly PreparedRecord[],
  parkedKeys: ParkedKeysByTopic,
  limit?: AbortSignal,
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
   * False when `limit` fired before it was there; it goes on with what is not taken yet.
   *
   * @throws what takes the records throws.
   */
  async readTo(ends: readonly PartitionProgress[], limit?: AbortSignal): Promise<boolean> {
    const { log, reader, fetchBytesMax, signal: stopped, session, registered } = this.#options
    const signal = limit === undefined ? stopped : AbortSignal.any([stopped, limit])
    const parkedKeys = await readParkedKeys(session.db, registered)
    const isOfBound = isWithin(await boundOf(session.db, versionOf(registered)))
    const findSections = (): Promise<LogSection[]> =>
      Promise.all(
        ends.map(async ({ topic, partition, progress: { nextOffset: end } }) => {
          const read = this.#positions.find(
            (position) => position.topic === topic && position.partition === partition,
          )
          if (read !== undefined) return { topic, partition, start: read.progress, end }
          const earliest = await log.earliestOffset(topic, partition)
          const start = { nextOffset: Math.min(end, earliest), source: null, eventTimeMs: null }
          return { topic, partition, start, end }
        }),
      )
    const partitions = await unlessFired(limit, findSections)
    if (partitions === null) return false
    const onTrouble = (): void => undefined
    const prepare: RecordReader['prepare'] = (records) => reader.prepare(records)
    const merged = new MergedLog({ log, prepare, partitions, fetchBytesMax, signal, onTrouble })
    for (;;) {
      await setImmediate()
      stopped.throwIfAborted()
      const records = await unlessFired(limit, () => merged.next(RECORDS_AT_A_TIME))
      if (records === null) return false
      try {
        const within = isOfBound === null ? records : records.filter(isOfBound)
        if (within.length > 0) await this.#take(within, parkedKeys, limit)
      } catch (error) {
        if (limit?.aborted === true && error === limit.reason) return false
        throw error
      }
      this.#readCount = merged.readCount
      // Of each partition, they are told by a look at what is left of its records.
      if (records.length === 0 || limit !== undefined) this.#positions = merged.positions()
      if (records.length === 0) return true
    }
  }
}

/** Null once `limit` has fired, whatever `run` makes of it: it is not waited for. */
async function unlessFired<T>(
  limit: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T | null> {
  if (limit === undefined) return run()
  const fired = Promise.withResolvers<null>()
  const fire = (): void => fired.resolve(null)
  limit.addEventListener('abort', fire, { once: true })
  try {
    return limit.aborted ? null : await Promise.race([run(), fired.promise])
  } catch (error) {
    if (limit.aborted) return null
    throw error
  } finally {
    limit.removeEventListener('abort', fire)
  }
}
