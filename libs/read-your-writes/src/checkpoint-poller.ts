import { setTimeout as sleep } from 'node:timers/promises'
import { type Lsn, invariant, parseLsn } from '@fairlead/base'
import { type QueryExecutorProvider, sql } from 'kysely'

/** Pause between two looks: short for those who have just come, longer for those who wait long. */
const POLL_INTERVAL_MIN_MS = 2
const POLL_INTERVAL_MAX_MS = 50
/** The pause is this part of the time that the one who came last has waited. */
const POLL_INTERVAL_SHARE = 8
/**
 * A look takes some milliseconds. One whose connection is gone without a word has no answer for as long as TCP tries, a
 * quarter of an hour, and is overtaken by others. Each has twice the time of the one before: together more than the
 * 10 s after which pools of `pg` part with idle connections, which are as dead as the first one.
 */
const LOOK_TIMEOUT_MS = 1_000
/** Each of them holds a connection of the pool, of which there are 10 by default. */
const LATE_LOOKS_MAX = 4

/** How far the live version of a projection has come in one partition. */
export type AppliedPosition = {
  readonly topic: string
  readonly partition: number
  /** How many partitions the topic has; null before the projector has seen them. */
  readonly partitionCount: number | null
  /** Start of the commit record of the last transaction applied; null before the first. */
  readonly commitLsn: Lsn | null
  /** How many events of the last transactions are applied at least, by `pg_current_xact_id()` as text. */
  readonly recentEventCounts: ReadonlyMap<string, number>
}

export type CheckpointWaiter = {
  readonly projection: string
  /** Is given nothing where no version of the projection is live. */
  readonly isSatisfied: (applied: readonly AppliedPosition[] | undefined) => boolean
}

type Waiting = CheckpointWaiter & { readonly sinceMs: number; readonly resolve: () => void }

type CheckpointRow = {
  readonly projection: string
  readonly topic: string
  readonly partition: number
  readonly partitionCount: number | null
  readonly lsn: string | null
  readonly transactions: readonly string[]
  /** Where it is more than one. */
  readonly eventCounts: Readonly<Record<string, number>>
}

/**
 * Looks at the checkpoints for everybody who waits, one query at a time unless one is late, and only while
 * somebody waits. What readers see never goes back, over a promotion either unless its operator lets it, so the
 * answer of a query that began before somebody came counts for him too, where it asked for his projection.
 */
export class CheckpointPoller {
  readonly #db: QueryExecutorProvider
  readonly #waitersMax: number
  readonly #waiting = new Set<Waiting>()
  #isPolling = false
  #lateLooks = 0
  /** Ends a pause: who has just come is not to wait as long as those who were there. */
  #arrival = new AbortController()
  #lastError: unknown

  constructor(db: QueryExecutorProvider, options: { readonly waitersMax: number }) {
    this.#db = db
    this.#waitersMax = options.waitersMax
  }

  /** Why the last look failed; undefined when it did not. */
  get lastError(): unknown {
    return this.#lastError
  }

  get isFull(): boolean {
    return this.#waiting.size >= this.#waitersMax
  }

  /** Resolves when the waiter is satisfied; never, when `signal` fires before. Not while it is full. */
  async wait(waiter: CheckpointWaiter, signal: AbortSignal): Promise<true> {
    invariant(!this.isFull, 'more waiters than a process may have')
    const { promise, resolve } = Promise.withResolvers<true>()
    const waiting = { ...waiter, sinceMs: performance.now(), resolve: () => resolve(true) }
    this.#waiting.add(waiting)
    signal.addEventListener('abort', () => this.#waiting.delete(waiting), { once: true })
    this.#arrival.abort()
    if (!this.#isPolling) void this.#poll()
    return promise
  }

  async #poll(): Promise<void> {
    this.#isPolling = true
    while (this.#waiting.size > 0) {
      await this.#lookInTime()
      if (this.#waiting.size > 0) await this.#pause()
    }
    this.#isPolling = false
  }

  async #lookInTime(): Promise<void> {
    const look = this.#look()
    if (this.#lateLooks === LATE_LOOKS_MAX) return look
    const timeoutMs = LOOK_TIMEOUT_MS * 2 ** this.#lateLooks
    const over = new AbortController()
    const isLate = await Promise.race([
      look.then(() => false),
      sleep(timeoutMs, true, { signal: over.signal, ref: false }),
    ]).finally(() => over.abort())
    if (!isLate) return
    this.#lastError = new Error(`a look at the checkpoints had no answer within ${timeoutMs} ms`)
    this.#lateLooks += 1
    void look.finally(() => (this.#lateLooks -= 1))
  }

  /** What it finds counts whenever it comes: nobody goes back. */
  async #look(): Promise<void> {
    try {
      const names = new Set([...this.#waiting].map(({ projection }) => projection))
      this.#settle(names, await this.#read([...names]))
      this.#lastError = undefined
    } catch (error) {
      // Those who wait have a timeout, and are told then.
      this.#lastError = error
    }
  }

  /** Who has come meanwhile for a projection that nobody asked for learns nothing of it. */
  #settle(
    names: ReadonlySet<string>,
    positions: ReadonlyMap<string, readonly AppliedPosition[]>,
  ): void {
    for (const waiting of this.#waiting) {
      if (!names.has(waiting.projection)) continue
      if (!waiting.isSatisfied(positions.get(waiting.projection))) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }

  async #pause(): Promise<void> {
    this.#arrival = new AbortController()
    const pauseMs = this.#pauseMs()
    await sleep(POLL_INTERVAL_MIN_MS, undefined, { ref: false })
    if (pauseMs <= POLL_INTERVAL_MIN_MS) return
    const rest = { ref: false, signal: this.#arrival.signal }
    await sleep(pauseMs - POLL_INTERVAL_MIN_MS, undefined, rest).catch(() => undefined)
  }

  #pauseMs(): number {
    let youngestMs = Number.NEGATIVE_INFINITY
    for (const { sinceMs } of this.#waiting) youngestMs = Math.max(youngestMs, sinceMs)
    const share = (performance.now() - youngestMs) / POLL_INTERVAL_SHARE
    return Math.min(POLL_INTERVAL_MAX_MS, Math.max(POLL_INTERVAL_MIN_MS, share))
  }

  async #read(names: readonly string[]): Promise<ReadonlyMap<string, readonly AppliedPosition[]>> {
    const { rows } = await sql<CheckpointRow>`
      select p.name as projection, c.topic, c.part as "partition",
        (v.partitions -> c.topic ->> 'partitionCount')::int as "partitionCount",
        c.source_lsn::text as lsn, c.recent_transactions::text[] as transactions,
        c.recent_event_counts as "eventCounts"
      from evt.projection p
      join evt.projection_version v on v.projection_id = p.id and v.version = p.live_version
      join evt.checkpoint c on c.projection_id = p.id and c.version = p.live_version
      where p.name = any(${names})`.execute(this.#db)
    return Map.groupBy(
      rows.map((row) => ({ ...row, ...positionOf(row) })),
      ({ projection }) => projection,
    )
  }
}

function positionOf({
  topic,
  partition,
  partitionCount,
  lsn,
  transactions,
  eventCounts,
}: CheckpointRow): AppliedPosition {
  return {
    topic,
    partition,
    partitionCount,
    commitLsn: lsn === null ? null : parseLsn(lsn),
    recentEventCounts: new Map(transactions.map((id) => [id, eventCounts[id] ?? 1])),
  }
}
