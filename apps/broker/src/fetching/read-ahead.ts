import type { Timers } from '@fairlead/base'
import type { PartitionLog, ReadRequest, ReadResult } from '@fairlead/log'
import { READ_AHEAD_MS } from '../limits.ts'
import type { Departure } from '../network/departure.ts'
import { read } from '../partitions/log-calls.ts'
import type { FetchMemory } from './fetch-memory.ts'

/** Where the next fetch of a connection will go on, as far as one can tell. */
export type NextRead = {
  readonly log: PartitionLog
  readonly fetchOffset: number
  readonly maxBytes: number
  readonly upTo: number
}

type Kept = {
  readonly next: NextRead
  readonly fetchMemory: FetchMemory
  /** Undefined when nothing came of it; what failed is told. Its memory is taken. */
  readonly result: Promise<ReadResult | undefined>
  readonly stopWaiting: () => void
}

/**
 * What the next fetch of a connection will ask for, read from the disk while the client is busy with the
 * answer before: copying and checksums take as long as sending, and a client has one fetch under way.
 *
 * Invariants: one read at most is kept, for `READ_AHEAD_MS` and while the peer is there; its memory is
 * part of the fetch memory, of which only a share may be used so; it is given back or handed over once.
 */
export class ReadAhead {
  readonly #timers: Timers
  readonly #departure: Departure
  #kept: Kept | undefined

  constructor(options: { readonly timers: Timers; readonly departure: Departure }) {
    this.#timers = options.timers
    this.#departure = options.departure
  }

  /** Reads, unless memory is short or the disk is not needed for it. What was kept before is dropped. */
  begin(next: NextRead, fetchMemory: FetchMemory): void {
    this.drop()
    const { log, fetchOffset, maxBytes, upTo } = next
    if (maxBytes <= 0 || this.#departure.hasLeft || log.isInTail(fetchOffset)) return
    if (!fetchMemory.takeSpare(maxBytes)) return
    const drop = (): void => this.drop()
    const cancels = [this.#timers.after(READ_AHEAD_MS, drop), this.#departure.onLeft(drop)]
    this.#kept = {
      next,
      fetchMemory,
      result: Promise.resolve(read(log, { fetchOffset, maxBytes, upTo, isHardLimit: true })).then(
        (result) => {
          fetchMemory.settle(maxBytes, heldBytesOf(result))
          if (!result.ok || result.sizeBytes > 0) return result
          // A first batch that is larger than the answer: whoever asks for it gets it all the same.
          giveBack(result, fetchMemory)
          return undefined
        },
      ),
      stopWaiting: () => cancels.forEach((cancel) => cancel()),
    }
  }

  /**
   * What was read for this request, whose memory is the caller's then; undefined, or resolved with
   * undefined, when nothing was.
   */
  take(log: PartitionLog, request: ReadRequest & { readonly upTo: number }): TakenRead {
    const kept = this.#kept
    if (kept?.next.log !== log || kept.next.fetchOffset !== request.fetchOffset) return undefined
    if (kept.next.maxBytes > request.maxBytes || kept.next.upTo > request.upTo) return undefined
    this.#forget(kept)
    return kept.result.then((result) => {
      if (result !== undefined) kept.fetchMemory.release(heldBytesOf(result))
      return result
    })
  }

  /** Gives back what was read and not asked for. */
  drop(): void {
    const kept = this.#kept
    if (kept === undefined) return
    this.#forget(kept)
    void kept.result.then((result) => {
      if (result !== undefined) giveBack(result, kept.fetchMemory)
    })
  }

  #forget(kept: Kept): void {
    this.#kept = undefined
    kept.stopWaiting()
  }
}

function heldBytesOf(result: ReadResult): number {
  return result.ok ? result.heldBytes : 0
}

function giveBack(result: ReadResult, fetchMemory: FetchMemory): void {
  fetchMemory.release(heldBytesOf(result))
  if (result.ok) result.release()
}

type TakenRead = Promise<ReadResult | undefined> | undefined
