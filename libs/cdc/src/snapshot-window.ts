import { invariant } from '@fairlead/base'

/** What becomes of a chunk once its high watermark has come by. */
export type ClosedWindow<Row> =
  /** Rows that are newer than everything before the high watermark, and that nothing in the window replaces. */
  | { readonly kind: 'emit'; readonly rows: readonly Row[] }
  /** The chunk may be older than what the log has brought: it is read anew. */
  | { readonly kind: 'reread'; readonly reason: string }

/** Transactions whose commit is in the log may be invisible to others for a moment, not for this many. */
const RECENT_XIDS_MAX = 10_000
/** Keys that change between two watermarks. */
const SEEN_KEYS_MAX = 100_000

type Chunk<Row> = {
  readonly chunkId: string
  /** By key, in the order of the table; undefined until they are read. */
  rows: Map<string, Row> | undefined
  /** Transactions that ran when the chunk was read, by the low 32 bits of their ids. */
  runningXids: ReadonlySet<number>
  /** Keys that the log has brought since the low watermark; undefined before it. */
  seenKeys: Set<string> | undefined
  /** Of transactions that the log had brought before the low watermark. */
  xidsBeforeLow: ReadonlySet<number>
  /** Why it has to be read anew, whatever comes. */
  spoiltBy: string | undefined
}

/**
 * Puts the rows of a table, read in chunks by SQL, into the stream of its changes: Netflix's DBLog. A low
 * watermark is written to the log, the chunk is read, a high watermark is written. What the log brings
 * between the two replaces rows of the chunk; what is left is emitted at the high watermark, and is then
 * newer than everything before it and older than everything behind it.
 *
 * One race is not in DBLog: a commit record is in the log before its transaction is visible to others.
 *
 *   transaction 7 commits k = 2, in the log | low | read: 7 still runs, k = 1 | 7 is visible | high
 *
 * Emitted, k = 1 would replace k = 2. So a chunk for which a transaction ran that the log had brought
 * before the low watermark is read anew.
 *
 * Invariant: in the order of what is emitted and what the log brings, the last state of a key is its
 * last committed one, at the high watermark of its chunk and ever after.
 */
export class SnapshotWindow<Row> {
  #chunk: Chunk<Row> | undefined
  /** A ring of the last ones. */
  readonly #recentXids: number[] = []
  #nextXidIndex = 0

  /** The next chunk; its low watermark is about to be written. An unfinished one is forgotten. */
  begin(chunkId: string): void {
    this.#chunk = {
      chunkId,
      rows: undefined,
      runningXids: new Set(),
      seenKeys: undefined,
      xidsBeforeLow: new Set(),
      spoiltBy: undefined,
    }
  }

  /** The rows were read, between the watermarks; the high one is about to be written. */
  read(rows: ReadonlyMap<string, Row>, runningXids: ReadonlySet<number>): void {
    const chunk = this.#chunk
    invariant(chunk !== undefined, 'a chunk is read after it has begun')
    chunk.rows = new Map(rows)
    chunk.runningXids = runningXids
  }

  /** The log brings a transaction. */
  transactionSeen(xid: number): void {
    this.#recentXids[this.#nextXidIndex] = xid
    this.#nextXidIndex = (this.#nextXidIndex + 1) % RECENT_XIDS_MAX
  }

  /** The log brings a change of a row of the table that is read. */
  rowSeen(key: string): void {
    const chunk = this.#chunk
    if (chunk?.seenKeys === undefined || chunk.spoiltBy !== undefined) return
    chunk.seenKeys.add(key)
    if (chunk.seenKeys.size > SEEN_KEYS_MAX) chunk.spoiltBy = 'too many rows changed meanwhile'
  }

  /** The log brings a change of the table that does not tell which rows it concerns: TRUNCATE, for one. */
  unknownRowsSeen(reason: string): void {
    const chunk = this.#chunk
    if (chunk?.seenKeys !== undefined) chunk.spoiltBy ??= reason
  }

  /** The log brings a low watermark; one of another chunk means nothing. */
  lowSeen(chunkId: string): void {
    const chunk = this.#chunk
    if (chunk?.chunkId !== chunkId) return
    chunk.seenKeys = new Set()
    chunk.xidsBeforeLow = new Set(this.#recentXids)
  }

  /** The log brings a high watermark; undefined when it is that of another chunk. */
  highSeen(chunkId: string): ClosedWindow<Row> | undefined {
    const chunk = this.#chunk
    if (chunk?.chunkId !== chunkId) return undefined
    const { rows, seenKeys } = chunk
    invariant(rows !== undefined, 'a high watermark is written after its chunk was read')
    invariant(seenKeys !== undefined, 'a high watermark comes after the low one of its chunk')
    this.#chunk = undefined
    if (chunk.spoiltBy !== undefined) return { kind: 'reread', reason: chunk.spoiltBy }
    for (const xid of chunk.runningXids) {
      if (!chunk.xidsBeforeLow.has(xid)) continue
      return { kind: 'reread', reason: `transaction ${xid} was committed and not visible yet` }
    }
    for (const key of seenKeys) rows.delete(key)
    return { kind: 'emit', rows: [...rows.values()] }
  }
}
