import type { Random } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import { FetchSession } from './fetch-session.ts'
import {
  type AnsweredTarget,
  type FetchRequest,
  type FetchTarget,
  TOPIC_IDS_SINCE_VERSION,
  requestedTargets,
  targetsOf,
} from './fetch-target.ts'

export type FetchSessionsOptions = {
  /** `max.incremental.fetch.session.cache.slots` */
  readonly slotsMax: number
  /** Partitions of all sessions together; ours, since a client may name any number of them. */
  readonly partitionsMax: number
  readonly random: Random
}

/** A fetch on its way: what it reads, and to which session its answer belongs. */
export type OpenedFetch =
  | {
      readonly kind: 'refused'
      readonly errorCode: ErrorCode
    }
  /** No session: the answer has everything, and the next request must ask for everything. */
  | { readonly kind: 'sessionless'; readonly targets: readonly FetchTarget[] }
  /** The answer has everything, and begins a session if there is room. */
  | {
      readonly kind: 'full'
      readonly targets: readonly FetchTarget[]
      readonly isPrivileged: boolean
      readonly usesTopicIds: boolean
    }
  | {
      readonly kind: 'incremental'
      readonly targets: readonly FetchTarget[]
      readonly session: FetchSession
      /** The session's epoch unless another request came after this one. */
      readonly nextEpoch: number
    }

export type SessionAnswer = {
  readonly errorCode: ErrorCode
  readonly sessionId: number
  readonly answered: readonly AnsweredTarget[]
}

const NO_SESSION = 0
const INITIAL_EPOCH = 0
const FINAL_EPOCH = -1
const SESSION_ID_MAX = 2_147_483_647

/** A session that is younger, or was used within this time, is not given up for another (Kafka's). */
const EVICTION_MS = 120_000

/**
 * The incremental fetch sessions of this broker (KIP-227).
 *
 * A full request (epoch 0) begins one, and ends the one that it names; epoch -1 only ends it. When
 * the slots are used up, the longest unused session gives way if it is stale; otherwise one that is
 * worth less does: of a consumer rather than of a follower, of fewer partitions rather than of more.
 * A client without a session goes on with full requests, which is slower and nothing else.
 *
 * Invariant: at most `slotsMax` sessions with at most `partitionsMax` partitions.
 */
export class FetchSessions {
  readonly #options: FetchSessionsOptions
  /** The longest unused first. */
  readonly #sessions = new Map<number, FetchSession>()
  #partitionCount = 0
  #evictedTotal = 0

  constructor(options: FetchSessionsOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#sessions.size
  }

  get partitionCount(): number {
    return this.#partitionCount
  }

  /** Sessions that gave way since the start. */
  get evictedTotal(): number {
    return this.#evictedTotal
  }

  open(
    request: FetchRequest,
    { apiVersion, nowMs }: { readonly apiVersion: number; readonly nowMs: number },
  ): OpenedFetch {
    const { sessionId, sessionEpoch } = request
    const usesTopicIds = apiVersion >= TOPIC_IDS_SINCE_VERSION
    const session = this.#sessions.get(sessionId)
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      if (session !== undefined) this.#remove(session)
      const targets = targetsOf(request)
      return sessionEpoch === FINAL_EPOCH
        ? { kind: 'sessionless', targets }
        : { kind: 'full', targets, isPrivileged: isFollower(request), usesTopicIds }
    }
    if (session === undefined) return refused('FETCH_SESSION_ID_NOT_FOUND')
    if (session.epoch !== sessionEpoch) return refused('INVALID_FETCH_SESSION_EPOCH')
    if (session.usesTopicIds !== usesTopicIds) return refused('FETCH_SESSION_TOPIC_ID_ERROR')
    return this.#continue(session, request, nowMs)
  }

  /** What the client is told, once the partitions were read. */
  answer(
    fetch: Exclude<OpenedFetch, { readonly kind: 'refused' }>,
    answered: readonly AnsweredTarget[],
    nowMs: number,
  ): SessionAnswer {
    switch (fetch.kind) {
      case 'sessionless':
        return { errorCode: 'NONE', sessionId: NO_SESSION, answered }
      case 'full':
        return { errorCode: 'NONE', sessionId: this.#begin(fetch, answered, nowMs), answered }
      case 'incremental': {
        const { session, nextEpoch } = fetch
        const sessionId = session.id
        // The client sent this request twice: the answer to the other one counts.
        if (session.epoch !== nextEpoch) {
          return { errorCode: 'INVALID_FETCH_SESSION_EPOCH', sessionId, answered: [] }
        }
        return { errorCode: 'NONE', sessionId, answered: session.newsIn(answered) }
      }
    }
  }

  #continue(session: FetchSession, request: FetchRequest, nowMs: number): OpenedFetch {
    const targets = requestedTargets(request)
    // An estimate from above: most of what a request names is in the session already.
    if (this.#partitionCount + targets.size > this.#options.partitionsMax) {
      this.#remove(session)
      return refused('FETCH_SESSION_ID_NOT_FOUND')
    }
    this.#partitionCount -= session.size
    session.put(targets)
    session.forget(request.forgottenTopicsData)
    this.#partitionCount += session.size
    if (session.size === 0) {
      this.#remove(session)
      return { kind: 'sessionless', targets: [] }
    }
    session.lastUsedMs = nowMs
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
    const nextEpoch = session.advance()
    return { kind: 'incremental', targets: session.targets(), session, nextEpoch }
  }

  /** Returns the id of a new session, or 0 when it is not worth one. */
  #begin(
    fetch: Extract<OpenedFetch, { readonly kind: 'full' }>,
    answered: readonly AnsweredTarget[],
    nowMs: number,
  ): number {
    const { isPrivileged, usesTopicIds } = fetch
    const isRoomy = this.#partitionCount + answered.length <= this.#options.partitionsMax
    if (!isRoomy) return NO_SESSION
    const isFull = this.#sessions.size >= this.#options.slotsMax
    if (isFull && !this.#evict({ isPrivileged, size: answered.length }, nowMs)) return NO_SESSION

    const id = this.#unusedId()
    const session = new FetchSession({ id, isPrivileged, usesTopicIds, nowMs, answered })
    this.#sessions.set(id, session)
    this.#partitionCount += session.size
    return id
  }

  /** Makes room for a session of this worth, unless no other may give way to it. */
  #evict(worth: Worth, nowMs: number): boolean {
    const victim = this.#stale(nowMs) ?? this.#leastWorth(worth.isPrivileged)
    if (victim === undefined) return false
    if (!isStale(victim, nowMs) && !isWorthLess(victim, worth)) return false
    this.#remove(victim)
    this.#evictedTotal += 1
    return true
  }

  #stale(nowMs: number): FetchSession | undefined {
    const [longestUnused] = this.#sessions.values()
    return longestUnused !== undefined && isStale(longestUnused, nowMs) ? longestUnused : undefined
  }

  /** Of those that may give way: the old ones, and for a follower all of consumers. */
  #leastWorth(isForPrivileged: boolean): FetchSession | undefined {
    let least: FetchSession | undefined
    for (const session of this.#sessions.values()) {
      const isOld = session.lastUsedMs - session.createdMs > EVICTION_MS
      const mayGiveWay = isOld || (isForPrivileged && !session.isPrivileged)
      if (mayGiveWay && (least === undefined || isWorthLess(session, least))) least = session
    }
    return least
  }

  #unusedId(): number {
    for (;;) {
      const id = 1 + this.#options.random.int(SESSION_ID_MAX)
      if (!this.#sessions.has(id)) return id
    }
  }

  #remove(session: FetchSession): void {
    this.#sessions.delete(session.id)
    this.#partitionCount -= session.size
  }
}

function refused(errorCode: ErrorCode): OpenedFetch {
  return { kind: 'refused', errorCode }
}

function isFollower({ replicaId, replicaState }: FetchRequest): boolean {
  return replicaId >= 0 || replicaState.replicaId >= 0
}

function isStale(session: FetchSession, nowMs: number): boolean {
  return nowMs - session.lastUsedMs > EVICTION_MS
}

type Worth = { readonly isPrivileged: boolean; readonly size: number }

function isWorthLess(session: Worth, other: Worth): boolean {
  if (session.isPrivileged !== other.isPrivileged) return other.isPrivileged
  return session.size < other.size
}
