import { assertNever, invariant } from '@fairlead/base'
import type { CommittedOffset, GroupRecord, StoredGroup } from './group-record.ts'

export type OffsetEntry = {
  readonly topic: string
  readonly partition: number
  readonly committed: CommittedOffset
}

/**
 * The part of a group that outlives the process: its last completed rebalance and its committed
 * offsets. Only `replay` changes it, while the log is loaded and when a decision was made; so a
 * running coordinator and a restarted one hold the same.
 *
 * Invariants:
 * - the generation never goes back while the group exists;
 * - the leader is a member, and member ids are unique.
 */
export class ReplicatedGroup {
  #metadata: StoredGroup | undefined
  readonly #offsets = new Map<string, Map<number, CommittedOffset>>()
  #offsetCount = 0

  /** Undefined until the first rebalance completes, and for groups that only commit offsets. */
  get metadata(): StoredGroup | undefined {
    return this.#metadata
  }

  /** Partitions with a committed offset. */
  get offsetCount(): number {
    return this.#offsetCount
  }

  get isEmpty(): boolean {
    return this.#metadata === undefined && this.#offsetCount === 0
  }

  committed(topic: string, partition: number): CommittedOffset | undefined {
    return this.#offsets.get(topic)?.get(partition)
  }

  *offsets(): Generator<OffsetEntry> {
    for (const [topic, partitions] of this.#offsets) {
      for (const [partition, committed] of partitions) yield { topic, partition, committed }
    }
  }

  replay(record: GroupRecord): void {
    switch (record.kind) {
      case 'groupMetadata':
        if (record.value !== null) checkMetadata(record.value, this.#metadata)
        this.#metadata = record.value ?? undefined
        return
      case 'offsetCommit':
        if (record.value === null) this.#remove(record.topic, record.partition)
        else this.#set(record.topic, record.partition, record.value)
        return
      default:
        assertNever(record)
    }
  }

  #set(topic: string, partition: number, committed: CommittedOffset): void {
    const partitions = this.#offsets.get(topic) ?? new Map<number, CommittedOffset>()
    if (!partitions.has(partition)) this.#offsetCount += 1
    partitions.set(partition, committed)
    this.#offsets.set(topic, partitions)
  }

  #remove(topic: string, partition: number): void {
    const partitions = this.#offsets.get(topic)
    // Compaction may keep a tombstone longer than the value that it removes.
    if (partitions?.delete(partition) !== true) return
    this.#offsetCount -= 1
    if (partitions.size === 0) this.#offsets.delete(topic)
  }
}

function checkMetadata(next: StoredGroup, previous: StoredGroup | undefined): void {
  const { members, leader } = next
  invariant(
    previous === undefined || next.generationId >= previous.generationId,
    () => `generation ${next.generationId} does not precede ${previous?.generationId}`,
  )
  invariant(
    new Set(members.map(({ memberId }) => memberId)).size === members.length,
    'a member is in its group once',
  )
  invariant(
    leader === null || members.some(({ memberId }) => memberId === leader),
    'the leader is a member',
  )
}
