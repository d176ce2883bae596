import { invariant } from '@fairlead/base'
import {
  BatchLedger,
  type FailureClass,
  type Letter,
  type PreparedRecord,
} from '@fairlead/projection'
import { type ApplyContext, type BatchMode, applyRecords, turnOf } from './apply-batch.ts'
import { type Effect, haveEffects } from './effects.ts'
import { LookUps } from './look-ups.ts'
import type { RecordReader } from './log/prepare-records.ts'
import { raiseFence } from './store/checkpoints.ts'
import { inTransaction } from './store/database.ts'
import {
  type KeyOutcome,
  type LetterQueue,
  type QueuedLetter,
  lockKeys,
  settleLetters,
} from './store/letter-queue.ts'
import { readEffectRanges } from './store/versions.ts'

export type Drained = {
  /** Nobody asked for it. */
  readonly isTimed: boolean
  /** Under which the partition is held from now on. */
  readonly fence: bigint
  /** Keys without any letter left: their next event is live. */
  readonly unparked: ReadonlySet<string>
  readonly replayedCount: number
  /** Letters that failed again, each with those behind it. */
  readonly failedCount: number
  /** The failures, by whose fault they were. */
  readonly failureCounts: ReadonlyMap<FailureClass, number>
}

/**
 * Applies letters again, in one transaction of their own: rows, letters and keys change together. The
 * checkpoint stays where it is. Only the owner of the partition calls it, and no batch meanwhile, so
 * that no event of a key is applied between its letters.
 *
 * @throws {FencedError} {StaleKeysError} and what look-ups and `applyRecords` throw; the reason of `signal`, which
 *   ends look-ups.
 */
export async function drainLetters(
  context: ApplyContext & { readonly reader: RecordReader; readonly signal: AbortSignal },
  queue: LetterQueue,
  mode: BatchMode,
): Promise<Drained> {
  const { db, partition, fence, attempts, reader, signal, hasMovedKeys } = context
  const records = await prepareLetters(reader, queue.letters)
  const handled = records.filter(
    ({ content }) => content.kind === 'event' || content.kind === 'undecodable',
  )
  const lookedUp = await new LookUps(partition.projection, signal).of(handled, () => false)
  const effects: Effect[] = []
  const turn = turnOf(partition.projection, handled)
  const drained = await inTransaction(db, async (trx) => {
    const raisedFence = await raiseFence(trx, partition, { fence, turn })
    await lockKeys(trx, partition, queue)
    const ledger = new BatchLedger({
      projection: partition.projection,
      parkedKeys: new Set(),
      attempts,
      classifyFailed: context.codeFailed,
    })
    const { schemaName } = partition
    const ranges = await readEffectRanges(trx, partition)
    const batch = { trx, ledger, schemaName, records: handled, ranges, effects, lookedUp }
    await applyRecords({ ...batch, hasMovedKeys }, partition, mode)
    const { isTimed = false } = queue
    const settled = { isTimed, ...outcomesOf(queue, ledger.letters) }
    const unparked = await settleLetters(trx, partition, settled)
    return {
      isTimed,
      fence: raisedFence,
      unparked,
      replayedCount: settled.appliedIds.length,
      failedCount: settled.outcomes.filter(({ failed }) => failed !== undefined).length,
      failureCounts: ledger.failureCounts,
    }
  })
  const lanesMax = partition.projection.concurrency ?? 1
  const { codeFailed, effectsSignal } = context
  await haveEffects(effects, { lanesMax, codeFailed, signal: effectsSignal })
  return drained
}

/** Letters as events, each under the key that it was parked with. */
export async function prepareLetters(
  reader: RecordReader,
  letters: readonly QueuedLetter[],
): Promise<readonly PreparedRecord[]> {
  const prepared = await reader.prepare(letters.map(({ record }) => record))
  return prepared.map((record, index) => {
    const { key } = letters[index] ?? { key: record.key }
    return { ...record, key }
  })
}

/** What is not set aside once more is applied. */
export function outcomesOf(
  { keys, letters }: LetterQueue,
  setAside: readonly Letter[],
): { readonly appliedIds: readonly bigint[]; readonly outcomes: readonly KeyOutcome[] } {
  const againByPlace = new Map(setAside.map((letter) => [placeOf(letter), letter]))
  const outcomes = keys.map((key): KeyOutcome => {
    const ofKey = letters.filter((letter) => letter.key === key.key)
    const failed = ofKey.flatMap(({ id, record }) => {
      const letter = againByPlace.get(placeOf({ record }))
      return letter?.cause.kind === 'failed' ? [{ id, letter }] : []
    })
    invariant(failed.length <= 1, 'the first failure of a key blocks what is behind it')
    const appliedCount = ofKey.filter(({ record }) => !againByPlace.has(placeOf({ record }))).length
    return { key, appliedCount, failed: failed[0] }
  })
  const applied = letters.filter(({ record }) => !againByPlace.has(placeOf({ record })))
  return { appliedIds: applied.map(({ id }) => id), outcomes }
}

function placeOf({ record: { partition, offset } }: Pick<Letter, 'record'>): string {
  return `${partition}@${offset}`
}
