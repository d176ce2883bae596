import type { Admitted, BatchLedger, FailureClass, Progress } from '@fairlead/projection'
import type { TraceIds } from '@fairlead/service'
import type { Drained } from './drain-letters.ts'
import type { RowCacheObserver } from './row-cache.ts'

export type WorkerState =
  | { readonly kind: 'running' }
  | PausedState
  /** Needs somebody to act, and a restart. */
  | { readonly kind: 'faulted'; readonly reason: string }

/** Waits for the world to change; goes on by itself. */
export type PausedState = {
  readonly kind: 'paused'
  readonly failureClass: FailureClass | 'flood' | 'operator' | 'order'
  readonly reason: string
}

/** What a worker tells about itself. Must not throw. */
export interface WorkerObserver {
  state(state: WorkerState): void
  failed(failure: { readonly error: unknown; readonly failureClass: FailureClass | 'flood' }): void
  /** The checkpoint was read or moved. */
  held(progress: Progress): void
  /** The database stands below what the worker has committed: it has lost its last transactions. */
  wentBack(offsets: { readonly fromOffset: number; readonly toOffset: number }): void
  fetched(fetch: FetchEnd): void
  committed(batch: CommittedBatch): void
  /** Letters were applied again, or failed once more. */
  drained(drained: Drained): void
  /** What its rows that are kept in memory save. */
  readonly rowCache: RowCacheObserver
  /** The worker is done with the partition. */
  released(): void
  /** The worker itself is broken. */
  crashed(error: unknown): void
}

type FetchEnd = {
  readonly highWatermark: number
  readonly recordCount: number
  readonly durationMs: number
}

export type CommittedBatch = {
  readonly admitted: Admitted
  readonly ledger: BatchLedger
  readonly durationMs: number
  /** Of its transaction; undefined where nobody records it. */
  readonly trace: TraceIds | undefined
}
