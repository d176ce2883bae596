import { setTimeout as sleep } from 'node:timers/promises'
import { OperationalError, keyHash } from '@fairlead/base'
import {
  type CommitToken,
  filterCommitToken,
  isCutCommitToken,
  parseCommitToken,
} from '@fairlead/outbox'
import { type Duration, durationMs } from '@fairlead/projection'
import type { Kysely } from 'kysely'
import { type Write, isApplied, mayHaveKey, writesOf } from './applied-writes.ts'
import { type AppliedPosition, CheckpointPoller } from './checkpoint-poller.ts'

const TIMEOUT_DEFAULT: Duration = '2s'
/** A timer of Node that is longer ends at once. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1
/** A write is not held up for longer to find out which earlier ones are over. */
const LOOK_TIMEOUT_MS = 100
/** A process with more reads that wait than this is better off to answer some of them at once. */
const WAITERS_MAX = 10_000

/** A projection, as far as its reader needs it: what `defineProjection` returns. */
export type ReadProjection = {
  readonly name: string
  readonly sources: readonly { readonly topic: string }[]
}

export type WaitOptions = {
  /** Such as `500ms`; default 2s. */
  readonly timeout?: Duration
  /** Fail with a {@link StaleReadError}, the default, or read what is there. */
  readonly onTimeout?: 'throw' | 'stale'
  /**
   * Key of the event that the reader is interested in: waits for its partition alone, and not at all for
   * writes that have no event of it.
   */
  readonly key?: string
  /** Fires when nobody waits any more: then `waitFor` rejects with its reason. */
  readonly signal?: AbortSignal
}

export type Freshness = {
  /**
   * The projection has taken in the events of the transaction. False with `onTimeout: 'stale'`, and for a
   * token that was joined of more writes than it can hold: those that it names are taken in then.
   */
  readonly fresh: boolean
  readonly waitedMs: number
}

/** The projection has not come to the write in time. Asking again later helps, as a rule. */
export class StaleReadError extends OperationalError {
  override readonly name = 'StaleReadError'
  /** For HTTP frameworks. */
  readonly statusCode = 503

  constructor(message: string, cause?: unknown) {
    super(`${message}. Ask again, or read with onTimeout: 'stale'`, {
      code: 'STALE_READ',
      retryable: true,
      cause,
    })
  }
}

/** Read models, as a service that reads them sees them. */
export interface Projections {
  /**
   * Waits until the live version of the projection has taken in the events of a transaction: they are
   * in the rows, or set aside. A token whose events the projection does not read is fresh at once.
   *
   * All waits of a process share one query at a time; there is none while nobody waits.
   *
   * @throws {StaleReadError} after `timeout`, and at once when too many others wait, unless `onTimeout`
   *   is `stale`.
   * @throws {CommitTokenError} for a text that no outbox made.
   * @throws {TypeError} for what is no projection, and for a `timeout` that is no duration.
   */
  waitFor(
    projection: ReadProjection,
    token: CommitToken | string,
    options?: WaitOptions,
  ): Promise<Freshness>

  /**
   * The token without the writes that need not be waited for any more: each of their topics is read by one of
   * the projections at least, and all that read it have taken them in. Undefined when none is left. It looks
   * once, and what it cannot find out in a moment stays.
   *
   * @throws {CommitTokenError} for a text that no outbox made.
   */
  unapplied(
    projections: readonly ReadProjection[],
    token: CommitToken | string,
  ): Promise<CommitToken | undefined>
}

export type ProjectionsOptions<DB> = {
  /** Database of the read models: the one that the projector writes. */
  readonly db: Kysely<DB>
  /** How many reads may wait at once; further ones are answered at once, as after their timeout. Default 10,000. */
  readonly waitersMax?: number
}

export function createProjections<DB>({
  db,
  waitersMax = WAITERS_MAX,
}: ProjectionsOptions<DB>): Projections {
  return new PostgresProjections(new CheckpointPoller(db, { waitersMax }))
}

class PostgresProjections implements Projections {
  readonly #poller: CheckpointPoller

  constructor(poller: CheckpointPoller) {
    this.#poller = poller
  }

  async waitFor(
    projection: ReadProjection,
    token: CommitToken | string,
    options: WaitOptions = {},
  ): Promise<Freshness> {
    refuseNoProjection(projection)
    const { name, sources } = projection
    const { onTimeout = 'throw', key, signal } = options
    const timeoutMs = checkedTimeoutMs(options)
    const startedMs = performance.now()
    const waitedMs = (): number => performance.now() - startedMs
    const topics = new Set(sources.map(({ topic }) => topic))
    const hash = key === undefined ? undefined : keyHash(Buffer.from(key))
    const writes = parseCommitToken(token)
      .flatMap(writesOf)
      .filter((write) => topics.has(write.topic))
      .filter((write) => hash === undefined || mayHaveKey(write, hash))
    signal?.throwIfAborted()
    const isTakenIn =
      writes.length === 0 ||
      (await this.#wait(name, { timeoutMs, signal }, untilApplied(writes, hash)))
    if (isTakenIn === true) return { fresh: !isCutCommitToken(token), waitedMs: waitedMs() }
    if (onTimeout === 'throw') throw isTakenIn
    return { fresh: false, waitedMs: waitedMs() }
  }

  async unapplied(
    projections: readonly ReadProjection[],
    token: CommitToken | string,
  ): Promise<CommitToken | undefined> {
    for (const projection of projections) refuseNoProjection(projection)
    const looked = await Promise.all(
      projections.map(async ({ name, sources }) => ({
        topics: new Set(sources.map(({ topic }) => topic)),
        applied: await this.#look(name),
      })),
    )
    const isTakenIn = (write: Write): boolean => {
      const readers = looked.filter(({ topics }) => topics.has(write.topic))
      return readers.length > 0 && readers.every(({ applied }) => isApplied(applied, write))
    }
    return filterCommitToken(token, (position) => !writesOf(position).every(isTakenIn))
  }

  /** Nothing when nobody answers in a moment. */
  async #look(projection: string): Promise<readonly AppliedPosition[]> {
    let seen: readonly AppliedPosition[] = []
    await this.#wait(projection, { timeoutMs: LOOK_TIMEOUT_MS, signal: undefined }, (applied) => {
      seen = applied ?? []
      return true
    })
    return seen
  }

  /** True once the writes are taken in, or why they are not known to be. */
  async #wait(
    projection: string,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
    isTakenInBy: (applied: readonly AppliedPosition[] | undefined) => boolean,
  ): Promise<true | StaleReadError> {
    if (this.#poller.isFull) {
      return new StaleReadError(`too many reads wait for their projections already`)
    }
    let isUnknown = false
    const isSatisfied = (applied: readonly AppliedPosition[] | undefined): boolean => {
      isUnknown = applied === undefined
      return isTakenInBy(applied)
    }
    const over = new AbortController()
    const ends = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])
    const isTakenIn = await Promise.race([
      this.#poller.wait({ projection, isSatisfied }, over.signal),
      sleep(timeoutMs, false, { signal: ends }),
    ])
      .catch((error: unknown) => {
        throw signal?.aborted === true ? signal.reason : error
      })
      .finally(() => over.abort())
    if (isTakenIn) return true
    return new StaleReadError(
      isUnknown
        ? `no version of ${projection} was live in this database for ${timeoutMs} ms: a projector has to run it, by this name`
        : `${projection} had not applied the write after ${timeoutMs} ms: it is behind, or the event is not of its topics' log yet`,
      this.#poller.lastError,
    )
  }
}

/**
 * What was seen once is not looked at again: a forged token may name hundreds of writes, and all who wait are asked with
 * each look.
 */
function untilApplied(
  writes: readonly Write[],
  keyHash: number | undefined,
): (applied: readonly AppliedPosition[] | undefined) => boolean {
  let seen = 0
  return (applied) => {
    if (applied === undefined) return false
    for (; seen < writes.length; seen += 1) {
      const next = writes[seen]
      if (next !== undefined && !isApplied(applied, next, keyHash)) return false
    }
    return true
  }
}

/** @throws {TypeError} for what `defineProjection` did not return, or has not finished: it lacks `.fold(…)` or the like. */
export function refuseNoProjection(projection: ReadProjection): void {
  const given: Partial<ReadProjection> | undefined | null = projection
  if (typeof given?.name === 'string' && Array.isArray(given.sources)) return
  throw new TypeError(
    `reads wait for projections, as defineProjection returns them, not for ${typeof projection}`,
  )
}

/**
 * How long to wait, at most as long as a timer of Node can.
 *
 * @throws {TypeError} when `timeout` is no duration, or `onTimeout` none of the two.
 */
export function checkedTimeoutMs({ timeout = TIMEOUT_DEFAULT, onTimeout }: WaitOptions): number {
  const timeoutMs = Math.min(durationMs(timeout), TIMEOUT_MAX_MS)
  if (onTimeout === undefined || onTimeout === 'throw' || onTimeout === 'stale') return timeoutMs
  throw new TypeError(`onTimeout is 'throw' or 'stale', not ${String(onTimeout)}`)
}
