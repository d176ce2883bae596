import { invariant } from '@fairlead/base'
import { DeadlineQueue } from './deadline-queue.ts'
import {
  type Group,
  checkGroup,
  groupDeadlineMs,
  isForgettable,
  newGroup,
  restoreGroup,
} from './group.ts'
import type { GroupRecord } from './group-record.ts'
import { decodeGroupRecord, encodeGroupRecord } from './group-record-codec.ts'
import { refusedJoin } from './rebalance.ts'
import { refusedSync } from './sync-group.ts'
import { type Turn, isStepFull } from './turn.ts'
import type { Completion, CoordinatorRecord, GroupEvent, Instant, Step } from './types.ts'

/** What a batch adds to the key and the value of a record: lengths, deltas, attributes; rounded up. */
const RECORD_OVERHEAD_BYTES = 24

/**
 * The groups of one partition of `__consumer_offsets`.
 *
 * Lifecycle: `replay` while the log is read, then `finishLoading` once; from then on `run` only.
 */
export class GroupShard {
  readonly partition: number
  readonly #groups = new Map<string, Group>()
  readonly #deadlines = new DeadlineQueue()
  #isLoaded = false

  constructor(partition: number) {
    this.partition = partition
  }

  get isLoaded(): boolean {
    return this.#isLoaded
  }

  get groupCount(): number {
    return this.#groups.size
  }

  get nextDeadlineMs(): number | undefined {
    return this.#deadlines.nextMs
  }

  groups(): Iterable<Group> {
    return this.#groups.values()
  }

  group(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  /** Applies a record of the log. Records of other kinds than ours are passed over. */
  replay(record: CoordinatorRecord): void {
    invariant(!this.#isLoaded, 'a loaded shard writes its own records')
    const decoded = decodeGroupRecord(record)
    if (decoded === undefined) return
    const group = this.groupOrNew(decoded.groupId)
    group.replicated.replay(decoded)
    if (isForgettable(group)) this.#groups.delete(group.groupId)
  }

  finishLoading(now: Instant): Step {
    invariant(!this.#isLoaded, 'a shard is loaded once')
    this.#isLoaded = true
    for (const group of this.#groups.values()) {
      restoreGroup(group, now.nowMs)
      this.#deadlines.schedule(group.groupId, groupDeadlineMs(group))
    }
    return { partition: this.partition, records: [], completions: [], events: [] }
  }

  groupOrNew(groupId: string): Group {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = newGroup(groupId)
    this.#groups.set(groupId, group)
    return group
  }

  /**
   * Runs one event of one group (or of none, when it does not exist) and collects what it causes.
   * Groups that hold nothing afterwards are forgotten.
   */
  run<Response>(
    groupId: string,
    now: Instant,
    event: (turn: Turn) => Response,
  ): Step & { readonly response: Response } {
    invariant(this.#isLoaded, 'a shard that loads serves nobody')
    const records: CoordinatorRecord[] = []
    const completions: Completion[] = []
    const events: GroupEvent[] = []
    let writtenBytes = 0
    const turn: Turn = {
      nowMs: now.nowMs,
      wallNowMs: now.wallNowMs,
      completions,
      write: (record) => {
        invariant(record.groupId === groupId, 'an event changes its own group')
        const encoded = encodeGroupRecord(record)
        records.push(encoded)
        writtenBytes += RECORD_OVERHEAD_BYTES + encoded.key.length + (encoded.value?.length ?? 0)
        this.#apply(record)
      },
      recordCount: () => records.length,
      note: (event) => events.push(event),
      isFull: () => isStepFull(writtenBytes),
    }
    const response = event(turn)
    this.#settle(groupId)
    return { partition: this.partition, records, completions, events, response }
  }

  /** A group that may be due, each once per moment. */
  takeDue(nowMs: number): string | undefined {
    return this.#deadlines.takeDue(nowMs)
  }

  /** Answers everybody who waits: this process is not the coordinator any more. */
  abandon(): Step {
    const completions: Completion[] = []
    for (const group of this.#groups.values()) {
      for (const { memberId, joinToken, syncToken } of group.members.values()) {
        if (joinToken !== undefined) {
          const response = refusedJoin('NOT_COORDINATOR', memberId)
          completions.push({ kind: 'JoinGroup', token: joinToken, response })
        }
        if (syncToken !== undefined) {
          const response = refusedSync('NOT_COORDINATOR')
          completions.push({ kind: 'SyncGroup', token: syncToken, response })
        }
      }
    }
    this.#groups.clear()
    return { partition: this.partition, records: [], completions, events: [] }
  }

  /** Throws when an invariant of a group does not hold. O(members): for tests and simulation. */
  check(): void {
    for (const group of this.#groups.values()) checkGroup(group)
  }

  #apply(record: GroupRecord): void {
    this.groupOrNew(record.groupId).replicated.replay(record)
  }

  #settle(groupId: string): void {
    const group = this.#groups.get(groupId)
    if (group === undefined) return
    if (isForgettable(group)) this.#groups.delete(groupId)
    else this.#deadlines.schedule(groupId, groupDeadlineMs(group))
  }
}
