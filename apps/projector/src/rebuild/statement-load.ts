import {
  Attempts,
  BatchLedger,
  EffectRanges,
  EventFailure,
  type LookedUp,
  type PreparedRecord,
  classifyFailure,
  isEventFault,
} from '@fairlead/projection'
import { type BatchMode, applyRecords } from '../apply-batch.ts'
import { BlameNeeded } from '../blame-needed.ts'
import { LookUps } from '../look-ups.ts'
import { pause } from '../pause.ts'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import { inTransaction } from '../store/database.ts'
import { expectBuilding } from '../store/jobs.ts'
import type { LetterMirror } from '../store/mirror-letters.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import type { BuildSession } from './build-session.ts'
import { type ParkedKeysByTopic, parkByTopic } from './parked-keys.ts'

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
  readonly #jobId: bigint
  readonly #topicIds: Readonly<Record<string, string>>
  readonly #mirror: LetterMirror | undefined
  /** By topic: in each, a key is parked on its own. */
  readonly #parkedKeys: ReadonlyMap<string, Set<string>>
  readonly #signal: AbortSignal
  readonly #lookUps: LookUps

  constructor(options: {
    readonly session: BuildSession
    readonly registered: RegisteredProjection
    readonly jobId: bigint
    /** By topic: of which one the positions are places. */
    readonly topicIds: Readonly<Record<string, string>>
    readonly mirror: LetterMirror | undefined
    readonly parkedKeys: ParkedKeysByTopic
    readonly signal: AbortSignal
  }) {
    this.#session = options.session
    this.#registered = options.registered
    this.#jobId = options.jobId
    this.#topicIds = options.topicIds
    this.#mirror = options.mirror
    this.#parkedKeys = new Map(
      [...options.parkedKeys].map(([topic, keys]) => [topic, new Set(keys)]),
    )
    this.#signal = options.signal
    this.#lookUps = new LookUps(options.registered.projection, options.signal)
  }

  get parkedCount(): number {
    return [...this.#parkedKeys.values()].reduce((count, { size }) => count + size, 0)
  }

  /** @throws {EventFailure} when an event stops the projection; {VersionError}; what the database says. */
  async apply(portion: Portion): Promise<void> {
    let mode: BatchMode = 'fast'
    let attempts = Attempts.none
    for (;;) {
      try {
        // Outside of the loan: all look-ups of a portion take longer than its session may be idle.
        const lookedUp = await this.#lookUps.of(portion.records, (prepared) =>
          this.#isParked(prepared),
        )
        const ledgers = await this.#session.lend(() =>
          this.#applyOnce({ ...portion, lookedUp }, mode, attempts),
        )
        for (const [topic, ledger] of ledgers) {
          for (const key of ledger.parkedKeys) this.#parkedKeys.get(topic)?.add(key)
        }
        return
      } catch (error) {
        if (error instanceof EventFailure && error.action === 'retry') {
          this.#signal.throwIfAborted()
          attempts = attempts.with(error.record)
          await pause(error.attempt, this.#registered.projection.retry, this.#signal)
          continue
        }
        // Before the signal is asked: of a session that is gone, what it waited in says more than that it is.
        if (mode === 'isolated' || !needsBlame(error)) throw error
        this.#signal.throwIfAborted()
        mode = 'isolated'
      }
    }
  }

  /** Topic by topic: what reads several of them takes their events in any order. */
  async #applyOnce(
    { records, positions, lookedUp }: Portion & { readonly lookedUp: LookedUp | undefined },
    mode: BatchMode,
    attempts: Attempts,
  ): Promise<ReadonlyMap<string, BatchLedger>> {
    const { projection, schemaName } = this.#registered
    const ledgers = new Map<string, BatchLedger>()
    await inTransaction(this.#session.db, async (trx) => {
      await expectBuilding(trx, this.#registered, this.#jobId)
      for (const [topic, ofTopic] of Map.groupBy(records, ({ record }) => record.topic)) {
        const parkedKeys = this.#parkedKeys.get(topic) ?? new Set()
        const ledger = new BatchLedger({ projection, parkedKeys, attempts })
        ledgers.set(topic, ledger)
        const applied = { records: ofTopic, ranges: EffectRanges.none, effects: [], lookedUp }
        await applyRecords({ trx, ledger, schemaName, ...applied }, this.#registered, mode)
      }
      const letters = [...ledgers.values()].flatMap((ledger) => ledger.letters)
      await parkByTopic(trx, this.#registered, letters, this.#mirror)
      await writeCheckpoints(trx, this.#registered, positions, this.#topicIds)
    })
    return ledgers
  }

  #isParked({ key, record }: PreparedRecord): boolean {
    return this.#parkedKeys.get(record.topic)?.has(key) === true
  }
}

function needsBlame(error: unknown): boolean {
  return error instanceof BlameNeeded || isEventFault(classifyFailure(error, 'database'))
}
