import {
  type AnyEvent,
  Attempts,
  type Admitted,
  BatchLedger,
  type Letter,
  type PreparedRecord,
  type Progress,
  type Projection,
  SeenIds,
  admit,
} from '@fairlead/projection'
import type { RecordBatch } from './read-model.ts'

const BEGINNING: Progress = { nextOffset: 0, source: null, eventTimeMs: null }

/** What is committed together with the rows: checkpoints, parked keys and letters. */
export class ProgressBook {
  readonly #projection: Projection
  readonly #progress = new Map<string, Progress>()
  readonly #parkedKeys = new Map<string, Set<string>>()
  readonly #letters: Letter[] = []
  readonly #seenIds = new SeenIds()

  constructor(projection: Projection) {
    // No time passes here in which another attempt could do better: poison is parked at once.
    this.#projection = { ...projection, retry: { ...projection.retry, retries: 0 } }
  }

  get letters(): readonly Letter[] {
    return this.#letters
  }

  nextOffset(topic: string): number {
    return this.#held(topic).nextOffset
  }

  begin({ topic, records }: RecordBatch): Admitted {
    const nextOffset = (records.at(-1)?.record.offset ?? -1) + 1
    const progress = this.#held(topic)
    const startOffset = progress.nextOffset
    const admitted = admit(progress, { startOffset, records, nextOffset })
    const news =
      this.#projection.inbox === undefined
        ? admitted.records
        : admitted.records.filter((record) => !this.#seenIds.isRepeat(record))
    return { ...admitted, records: news }
  }

  openLedger(topic: string): BatchLedger {
    return new BatchLedger({
      projection: this.#projection,
      parkedKeys: this.#parkedOf(topic),
      attempts: Attempts.none,
    })
  }

  commit(topic: string, admitted: Admitted, ledger: BatchLedger): void {
    this.#progress.set(topic, admitted.to)
    for (const key of ledger.parkedKeys) this.#parkedOf(topic).add(key)
    this.#letters.push(...ledger.letters)
  }

  #held(topic: string): Progress {
    return this.#progress.get(topic) ?? BEGINNING
  }

  #parkedOf(topic: string): Set<string> {
    const parked = this.#parkedKeys.get(topic) ?? new Set<string>()
    this.#parkedKeys.set(topic, parked)
    return parked
  }
}

/** Events that are looked at ahead of their handlers: those whose key is not parked. */
export function eventsOf(
  records: readonly PreparedRecord[],
  ledger: BatchLedger,
): readonly AnyEvent[] {
  return records.flatMap(({ key, content }) =>
    content.kind === 'event' && !ledger.isParked(key) ? [content.event] : [],
  )
}
