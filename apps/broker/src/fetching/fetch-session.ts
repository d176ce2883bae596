import { invariant } from '@fairlead/base'
import {
  type AnsweredTarget,
  type FetchRequest,
  type FetchTarget,
  type PartitionAnswer,
  recordBytes,
  targetKey,
} from './fetch-target.ts'

/** What the client was told last of a partition; -1 for nothing, or an error. */
type CachedPartition = {
  target: FetchTarget
  highWatermark: number
  logStartOffset: number
}

const NOTHING_TOLD = -1
const NO_ERROR = 'NONE'
const NO_PREFERRED_REPLICA = -1

/** Epochs count from 1 to 2^31 - 1, then from 1 again; 0 and -1 have a meaning of their own. */
const FIRST_EPOCH = 1
const EPOCH_MAX = 2_147_483_647

/**
 * An incremental fetch session (KIP-227): the partitions that a client reads, so that its requests
 * name only what changes, and the answers only what is new.
 *
 * Invariants:
 * - the order is that of turns: a partition that gave records goes to the end, so that those in
 *   front cannot use up the response for ever;
 * - `epoch` is the one that the next request must have.
 */
export class FetchSession {
  readonly id: number
  /** Sessions of followers outlive those of consumers. */
  readonly isPrivileged: boolean
  /** The form of the names: a session cannot change it. */
  readonly usesTopicIds: boolean
  readonly createdMs: number
  lastUsedMs: number
  #epoch = FIRST_EPOCH
  readonly #partitions = new Map<string, CachedPartition>()

  constructor(options: {
    readonly id: number
    readonly isPrivileged: boolean
    readonly usesTopicIds: boolean
    readonly nowMs: number
    readonly answered: readonly AnsweredTarget[]
  }) {
    this.id = options.id
    this.isPrivileged = options.isPrivileged
    this.usesTopicIds = options.usesTopicIds
    this.createdMs = options.nowMs
    this.lastUsedMs = options.nowMs
    for (const { target, answer } of options.answered) {
      this.#partitions.set(keyOf(target), { target, ...told(answer) })
    }
  }

  get epoch(): number {
    return this.#epoch
  }

  get size(): number {
    return this.#partitions.size
  }

  /** What to read, in the order of turns. */
  targets(): readonly FetchTarget[] {
    return Array.from(this.#partitions.values(), ({ target }) => target)
  }

  /** Adds partitions, or changes what is asked of them. */
  put(targets: ReadonlyMap<string, FetchTarget>): void {
    for (const [key, target] of targets) {
      const known = this.#partitions.get(key)
      if (known !== undefined) known.target = target
      else {
        const highWatermark = NOTHING_TOLD
        this.#partitions.set(key, { target, highWatermark, logStartOffset: NOTHING_TOLD })
      }
    }
  }

  forget(topics: FetchRequest['forgottenTopicsData']): void {
    for (const topic of topics) {
      for (const partition of topic.partitions) this.#partitions.delete(targetKey(topic, partition))
    }
  }

  /** The next request follows this one; returns the epoch that it must have. */
  advance(): number {
    this.#epoch = epochAfter(this.#epoch)
    return this.#epoch
  }

  /** The answers that tell something new, which the client is taken to know from now on. */
  newsIn(answered: readonly AnsweredTarget[]): readonly AnsweredTarget[] {
    return answered.filter(({ target, answer }) => {
      const key = keyOf(target)
      const known = this.#partitions.get(key)
      invariant(known !== undefined, 'a session changes only between its requests')
      if (!isNews(answer, known)) return false
      Object.assign(known, told(answer))
      if (recordBytes(answer) > 0) {
        this.#partitions.delete(key)
        this.#partitions.set(key, known)
      }
      return true
    })
  }
}

export function epochAfter(epoch: number): number {
  return epoch === EPOCH_MAX ? FIRST_EPOCH : epoch + 1
}

function keyOf(target: FetchTarget): string {
  return targetKey(target, target.request.partition)
}

/** An error is told again and again, and its end, too: no watermark is known after it. */
function told(answer: PartitionAnswer): Omit<CachedPartition, 'target'> {
  return {
    highWatermark: answer.errorCode === NO_ERROR ? answer.highWatermark : NOTHING_TOLD,
    logStartOffset: answer.logStartOffset ?? NOTHING_TOLD,
  }
}

function isNews(answer: PartitionAnswer, known: CachedPartition): boolean {
  return (
    answer.errorCode !== NO_ERROR ||
    answer.highWatermark !== known.highWatermark ||
    answer.logStartOffset !== known.logStartOffset ||
    (answer.preferredReadReplica ?? NO_PREFERRED_REPLICA) !== NO_PREFERRED_REPLICA ||
    answer.divergingEpoch !== undefined ||
    recordBytes(answer) > 0
  )
}
