export type RecordHeader = readonly [key: string, value: Uint8Array | null]

export type OutgoingRecord = {
  readonly topic: string
  /** Undefined: Kafka's default, murmur2 of the key; without a key, the partition the batch sticks to. */
  readonly partition: number | undefined
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** Milliseconds since the Unix epoch; the time of `send` when absent. */
  readonly timestampMs?: number
}

export type IncomingRecord = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** The key as text; null without one, and when it is no UTF-8. As `textHeaders`, of fetched records. */
  textKey?(): string | null
  /**
   * Headers as text, which takes less than `headers` does: of a name that comes again, the last; null
   * is empty; what is no UTF-8 is replaced (U+FFFD). Only records that were fetched have it.
   */
  textHeaders?(): Readonly<Record<string, string>>
}

export type TopicPartition = { readonly topic: string; readonly partition: number }

/** Where one record is stored. */
export type RecordLocation = TopicPartition & { readonly offset: number }
