export type RecordHeader = readonly [key: string, value: Uint8Array | null]

/** Key, value and headers as a record batch has them (magic 2), in `bytes` from `start` up to before `end`. */
export type EncodedBody = {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Whose clock a timestamp is of, the producer's or the broker's, as Kafka's `TimestampType` is printed. */
export type TimestampType = 'CreateTime' | 'LogAppendTime'

export type OutgoingRecord = {
  readonly topic: string
  /** Undefined: Kafka's default, murmur2 of the key; without a key, the partition the batch sticks to. */
  readonly partition: number | undefined
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** Milliseconds since the Unix epoch; the time of `send` when absent. */
  readonly timestampMs?: number
  /** Of a record whose key, value and headers are encoded already: they are then only copied. */
  readonly body?: EncodedBody
}

export type IncomingRecord = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  /** Only records that were fetched have it. */
  readonly timestampType?: TimestampType
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
  /**
   * Names of the headers, in their order; for all records of a batch with the same ones mostly one array, by which
   * a reader knows where it finds what. Only records that were fetched have it.
   */
  readonly headerNames?: readonly string[]
  /** Value of the header at a position of `headerNames`, as in `textHeaders`. Only records that were fetched have it. */
  headerText?(position: number): string
  /**
   * What `read` makes of the value of that header where it lies, as in `readValue`; a null is empty. Only records
   * that were fetched have it.
   */
  readHeader?<T>(position: number, read: (bytes: Uint8Array, start: number, end: number) => T): T
  /**
   * What `read` makes of the value where it lies, from `start` up to `end` of the bytes of its batch; null
   * when the value is null. A view of each value takes longer to make than most values to read.
   * Only records that were fetched have it.
   */
  readValue?<T>(read: (bytes: Uint8Array, start: number, end: number) => T): T | null
}

export type TopicPartition = { readonly topic: string; readonly partition: number }

/** Where one record is stored. */
export type RecordLocation = TopicPartition & { readonly offset: number }
