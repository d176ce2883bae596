/**
 * What a driver answers: a program in the language of a client, one JSON object a line on standard
 * input and output. Scenarios are written once, over these operations. Keys, values and the values of
 * headers are base64, or null.
 */
export type Operations = {
  /** Sends and waits until all are acknowledged; -1 where a client does not tell offsets. */
  readonly produce: {
    readonly asks: ProduceRequest
    readonly answers: { readonly offsets: readonly number[] }
  }
  /** One transaction on one producer that is made for it. */
  readonly transact: {
    readonly asks: {
      readonly topic: string
      readonly partition: number
      readonly transactionalId: string
      readonly commit: boolean
      readonly records: readonly WireRecord[]
    }
    readonly answers: Nothing
  }
  /** Reads a partition without a group until `count` records have come or `timeoutMs` is over. */
  readonly fetch: {
    readonly asks: {
      readonly topic: string
      readonly partition: number
      readonly offset: number
      readonly count: number
      readonly timeoutMs: number
    }
    readonly answers: { readonly records: readonly ReadRecord[] }
  }
  /** Becomes a member of a group, without auto-commit; a process is at most one member. */
  readonly join: {
    readonly asks: {
      readonly group: string
      readonly topic: string
      readonly instanceId: string | null
      readonly cooperative: boolean
    }
    readonly answers: Nothing
  }
  readonly poll: {
    readonly asks: { readonly timeoutMs: number }
    readonly answers: {
      readonly records: readonly ReadRecord[]
      readonly assignment: readonly number[]
    }
  }
  /** Commits the positions behind everything that was polled. */
  readonly commit: { readonly asks: Nothing; readonly answers: Nothing }
  readonly leave: { readonly asks: Nothing; readonly answers: Nothing }
  readonly createTopic: {
    readonly asks: {
      readonly topic: string
      readonly partitions: number
      readonly config: Readonly<Record<string, string>>
    }
    readonly answers: Nothing
  }
  readonly deleteTopic: { readonly asks: { readonly topic: string }; readonly answers: Nothing }
  readonly listTopics: {
    readonly asks: Nothing
    readonly answers: { readonly topics: readonly string[] }
  }
  readonly describeTopic: {
    readonly asks: { readonly topic: string }
    readonly answers: { readonly partitions: number }
  }
  readonly createPartitions: {
    readonly asks: { readonly topic: string; readonly total: number }
    readonly answers: Nothing
  }
  readonly describeConfig: {
    readonly asks: { readonly topic: string; readonly name: string }
    readonly answers: { readonly value: string }
  }
  readonly alterConfig: {
    readonly asks: { readonly topic: string; readonly name: string; readonly value: string }
    readonly answers: Nothing
  }
  readonly deleteRecords: {
    readonly asks: { readonly topic: string; readonly partition: number; readonly before: number }
    readonly answers: Nothing
  }
  readonly listGroups: {
    readonly asks: Nothing
    readonly answers: { readonly groups: readonly string[] }
  }
  readonly committed: {
    readonly asks: { readonly group: string; readonly topic: string }
    readonly answers: { readonly offsets: Readonly<Record<string, number>> }
  }
  readonly deleteGroup: { readonly asks: { readonly group: string }; readonly answers: Nothing }
}

export type OperationName = keyof Operations

type Nothing = object

type ProduceRequest = {
  readonly topic: string
  readonly partition: number
  readonly compression: Compression
  readonly idempotent: boolean
  readonly records: readonly WireRecord[]
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export type WireRecord = {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

export type ReadRecord = WireRecord & { readonly partition: number; readonly offset: number }
