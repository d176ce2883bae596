/**
 * What `__consumer_offsets` holds, decoded: Kafka's group metadata and committed offsets. A null
 * value removes.
 */
export type GroupRecord =
  | {
      readonly kind: 'groupMetadata'
      readonly groupId: string
      readonly value: StoredGroup | null
    }
  | {
      readonly kind: 'offsetCommit'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
      readonly value: CommittedOffset | null
    }

/** A group as its last completed rebalance left it. */
export type StoredGroup = {
  readonly protocolType: string
  readonly generationId: number
  /** Null in a group without members. */
  readonly protocolName: string | null
  readonly leader: string | null
  /** When the group came into its state, in milliseconds since the epoch. */
  readonly stateTimestampMs: number
  readonly members: readonly StoredMember[]
}

export type StoredMember = {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** The member's metadata for the group's protocol. */
  readonly subscription: Uint8Array
  readonly assignment: Uint8Array
}

export type CommittedOffset = {
  /** The group's next offset to read. */
  readonly committedOffset: number
  /** -1 when the client gave none. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Milliseconds since the epoch. */
  readonly commitTimestampMs: number
  /** Milliseconds since the epoch; -1 unless the client asked for its own retention (before v5). */
  readonly expireTimestampMs: number
}
