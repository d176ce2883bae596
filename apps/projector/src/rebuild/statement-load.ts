import {
  Attempts,
  BatchLedger,
  EffectRanges,
  EventFailure,
  type PreparedRecord,
  classifyFailure,
  isEventFault,
} from '@fairlead/projection'
import { type BatchMode, BlameNeeded, applyRecords } from '../apply-batch.ts'
import { pause } from '../pause.ts'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import { expectBuilding } from '../store/versions.ts'
import type { BuildSession } from './build-session.ts'
import { parkByPartition } from './parked-keys.ts'

type Portion = {
  readonly records: readonly PreparedRecord[]
  readonly positions: readonly PartitionProgress[]
}

/**
 * Fills the tables of a version by the statements that live events run, a transaction of them at a
 * time with the checkpoints behind it: for handlers in SQL, and for a fold whose rows COPY did not
 * take, as it finds out which event is to blame.
 */
export class StatementLoad {
  readonly #session: BuildSession
  readonly #registered: RegisteredProjection
  readonly #parkedKeys: Set<string>
  readonly #signal: AbortSignal

  constructor(options: {
    readonly session: BuildSession
    readonly registered: RegisteredProjection
    readonly parkedKeys: ReadonlySet<string>
    readonly signal: AbortSignal
  }) {
    this.#session = options.session
    this.#registered = options.registered
    this.#parkedKeys = new Set(options.parkedKeys)
    this.#signal = options.signal
  }

  get parkedCount(): number {
    return this.#parkedKeys.size
  }

  /** @throws {EventFailure} when an event stops the projection; {VersionError}; what the database says. */
  async apply(portion: Portion): Promise<void> {
    let mode: BatchMode = 'fast'
    let attempts = Attempts.none
    for (;;) {
      try {
        const ledger = await this.#applyOnce(portion, mode, attempts)
        for (const key of ledger.parkedKeys) this.#parkedKeys.add(key)
        return
      } catch (error) {
        this.#signal.throwIfAborted()
        if (error instanceof EventFailure && error.action === 'retry') {
          attempts = attempts.with(error.record)
          await pause(error.attempt, this.#registered.projection.retry, this.#signal)
          continue
        }
        if (mode === 'isolated' || !needsBlame(error)) throw error
        mode = 'isolated'
      }
    }
  }

  async #applyOnce(
    { records, positions }: Portion,
    mode: BatchMode,
    attempts: Attempts,
  ): Promise<BatchLedger> {
    const { projection, schemaName } = this.#registered
    const ledger = new BatchLedger({ projection, parkedKeys: this.#parkedKeys, attempts })
    await this.#session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, this.#registered)
      const batch = { trx, ledger, schemaName, records, ranges: EffectRanges.none, effects: [] }
      await applyRecords(batch, this.#registered, mode)
      await parkByPartition(trx, this.#registered, ledger.letters)
      await writeCheckpoints(trx, this.#registered, positions)
    })
    return ledger
  }
}

function needsBlame(error: unknown): boolean {
  return error instanceof BlameNeeded || isEventFault(classifyFailure(error, 'database'))
}
