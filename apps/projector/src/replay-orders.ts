import type { Database } from './store/database.ts'
import { listReplayPlaces, replayPlaceOf } from './store/letter-queue.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'

/** How soon a replay begins that somebody wants, where no batch is under way. */
const LOOK_INTERVAL_MS = 200

/** What one look found: the partitions in which somebody wants letters replayed. */
export type ReplayLook = {
  has(partition: ProjectionPartition): boolean
}

/** Looks for replays that somebody wants, once for all partitions of a process, however many have parked keys. */
export class ReplayOrders {
  readonly #db: Database
  readonly #nowMs: () => number
  #look: Promise<ReplayLook> | undefined
  #nextLookMs = Number.NEGATIVE_INFINITY

  constructor({ db, nowMs }: { readonly db: Database; readonly nowMs: () => number }) {
    this.#db = db
    this.#nowMs = nowMs
  }

  /** The last look, unless it is time for another one. */
  latest(): Promise<ReplayLook> {
    const nowMs = this.#nowMs()
    if (this.#look === undefined || nowMs >= this.#nextLookMs) {
      const look = this.#lookOnce()
      this.#look = look
      this.#nextLookMs = nowMs + LOOK_INTERVAL_MS
      // Whoever asks next is not answered with a failure that may be over.
      look.catch(() => {
        if (this.#look === look) this.#look = undefined
      })
    }
    return this.#look
  }

  async #lookOnce(): Promise<ReplayLook> {
    const places = new Set(await listReplayPlaces(this.#db))
    return { has: (partition) => places.has(replayPlaceOf(partition)) }
  }
}
