import { errorMessage } from '@fairlead/base'
import {
  type Admitted,
  type Attempts,
  BatchLedger,
  type CommutativeProjection,
  type EffectRanges,
  type FloodBreaker,
  type FoldProjection,
  type KeyCounts,
  type LookedUp,
  type PreparedRecord,
  type Projection,
  type SqlContext,
  type SqlProjection,
  type Row,
  type Stage,
  type Table,
  addUpBatch,
  changeOf,
  changesOf,
  classifyFailure,
  enrichedFor,
  foldInto,
  foldOne,
  isEventFault,
  keepingTransaction,
  mayMeetOtherSpellings,
  redactedError,
  rowKeyOf,
  refusedColumn,
  rowKeysOf,
  setSuspectsApart,
  trialFold,
  unitOf,
} from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { BlameNeeded, refuseSpelledTwice } from './blame-needed.ts'
import { type Effect, haveEffects } from './effects.ts'
import type { LookUps } from './look-ups.ts'
import { BatchRows } from './batch-rows.ts'
import type { RowCache } from './row-cache.ts'
import { type Turn, moveCheckpoint } from './store/checkpoints.ts'
import { type Database, inTransaction } from './store/database.ts'
import type { Inbox } from './store/inbox.ts'
import { CommutativeTable } from './store/commutative-table.ts'
import { FoldTable } from './store/fold-table.ts'
import { type LetterMirror, mirrorLetters } from './store/mirror-letters.ts'
import { inTrial, refusedRows, writesAll } from './store/refused-rows.ts'
import { parkLetters } from './store/park-letters.ts'
import { holdToParkLimits } from './store/park-limits.ts'
import type { ProjectionPartition, RegisteredProjection } from './store/registered-projection.ts'
import { searchFirst } from './store/search-path.ts'
import { readEffectRanges } from './store/versions.ts'
import { tenantParts } from './tenant-parts.ts'
import { withinSession } from './within-session.ts'

/**
 * One batch, one transaction: the checkpoint moves, the rows change and the dead letters are stored
 * together, or not at all.
 *
 * - `fast`: folds write many rows at once; SQL handlers run without savepoints. A refused row or a
 *   failed statement fails the batch, and nobody knows which event is to blame.
 * - `isolated`: one event after the other, each behind a savepoint, so that only the one to blame is
 *   set aside. For the batch that failed in the fast mode. Of a fold, only what may have to do with the
 *   failure; see `foldApart`.
 */
export type BatchMode = 'fast' | 'isolated'

/** What it takes to apply anything to a partition. */
export type ApplyContext = {
  readonly db: Database
  readonly partition: ProjectionPartition
  readonly fence: bigint
  readonly attempts: Attempts
  /** Another partition may have events of the same keys at the same time. */
  readonly hasMovedKeys: boolean
  /** Code of the projection failed that decides nothing: an effect of `liveOnly`, or `classify`. */
  readonly codeFailed: (error: unknown) => void
  /** Fires when no effect of the worker may begin any more. */
  readonly effectsSignal: AbortSignal
}

export type BatchContext = ApplyContext & {
  readonly parkedKeys: ReadonlySet<string>
  readonly lookUps: LookUps
  readonly breaker: FloodBreaker
  readonly mirror: LetterMirror | undefined
  /** Rows of the batches before; undefined where there is none. */
  readonly rowCache: RowCache | undefined
  /** Where ids tell what repeats. */
  readonly inbox: Inbox | undefined
  /** Of the last batch of the log that the records come from. */
  readonly leaderEpoch: number
  readonly nowMs: number
  /** Events of one tenant fail in numbers; they are parked, since others would have to wait for him. */
  readonly tenantFlooded: (error: unknown) => void
}

/** Committing the batch would park more keys than a working projection does. */
export class FloodError extends Error {
  override readonly name = 'FloodError'
}

/**
 * @throws {FencedError} when the checkpoint has moved. {EventFailure} when an event is to be tried
 *   again. {BlameNeeded}, {FloodError}, {ParkLimitError}, {StaleKeysError}, {StaleRowsError}. Anything that the database or a handler threw; then the batch may have
 *   committed nevertheless, when it was the connection that failed.
 */
export async function applyBatch(
  context: BatchContext,
  admitted: Admitted,
  mode: BatchMode,
): Promise<BatchLedger> {
  const { db, partition, fence, parkedKeys, attempts, breaker, mirror, leaderEpoch, nowMs } =
    context
  const { projection, schemaName } = partition
  const { rowCache, hasMovedKeys } = context
  const ledger = new BatchLedger({
    projection,
    parkedKeys,
    attempts,
    classifyFailed: context.codeFailed,
  })
  const keyCount = distinctKeyCount(admitted.records)
  const effects: Effect[] = []
  const turn = turnOf(projection, admitted.records)
  // No transaction, and no lock of one, waits for another service.
  const lookedUp = await context.lookUps.of(admitted.records, ({ key }) => ledger.isParked(key))
  await inTransaction(db, async (trx) => {
    // First of all: it takes the lock on which a new owner waits, and refuses a former one. A swap of
    // versions waits for it, too: what is read behind it holds until the commit.
    await moveCheckpoint(trx, partition, { ...admitted, fence, leaderEpoch, turn })
    const ranges = await readEffectRanges(trx, partition)
    const records = await newRecords(context, trx, admitted.records, ledger)
    const common = { trx, ledger, schemaName, records, effects, ranges, lookedUp, rowCache }
    await applyRecords({ ...common, hasMovedKeys }, partition, mode)
    const flood = breaker.floodOf(keyCounts(ledger, keyCount), nowMs)
    if (flood !== undefined) {
      const error = floodError(ledger, flood.cause)
      if (flood.scope === 'all') throw error
      context.tenantFlooded(error)
    }
    await parkLetters(trx, partition, ledger)
    await holdToParkLimits(trx, partition, ledger)
    if (mirror !== undefined) await mirrorLetters(trx, partition, ledger, mirror)
  })
  rowCache?.committed()
  breaker.committed(keyCounts(ledger, keyCount), nowMs)
  await haveEffects(effects, {
    lanesMax: projection.concurrency ?? 1,
    codeFailed: context.codeFailed,
    signal: context.effectsSignal,
  })
  return ledger
}

/** A row that another partition reads meanwhile under another spelling would lose what this one writes, or the other way round. */
export function turnOf(projection: Projection, records: readonly PreparedRecord[]): Turn {
  return mayMeetOtherSpellings(projection, records) ? 'alone' : 'shared'
}

function distinctKeyCount(records: readonly PreparedRecord[]): number {
  const keys = new Set<string>()
  for (const { key } of records) keys.add(key)
  return keys.size
}

/** Without those whose event was in another record before. */
async function newRecords(
  { inbox }: BatchContext,
  trx: Transaction<unknown>,
  records: readonly PreparedRecord[],
  ledger: BatchLedger,
): Promise<readonly PreparedRecord[]> {
  if (inbox === undefined) return records
  const sorted = await inbox.sortOut(trx, records)
  ledger.repeated(sorted.repeatedCount)
  return sorted.records
}

/** Records and the transaction that they are applied in. */
export type Batch = {
  readonly trx: Transaction<unknown>
  readonly ledger: BatchLedger
  readonly schemaName: string
  readonly records: readonly PreparedRecord[]
  /** Offsets whose effects are this version's. */
  readonly ranges: EffectRanges
  /** Filled by handlers. */
  readonly effects: Effect[]
  /** For its events, where something is looked up for each. */
  readonly lookedUp: LookedUp | undefined
  /** @see ApplyContext.hasMovedKeys */
  readonly hasMovedKeys?: boolean
  /** Of the partition, for who applies its batches. */
  readonly rowCache?: RowCache | undefined
}

/**
 * Runs the handlers of a projection; `ledger` says what became of each record.
 *
 * @throws what `applyBatch` throws, but for the checkpoint and the flood.
 */
export async function applyRecords(
  batch: Batch,
  registered: RegisteredProjection,
  mode: BatchMode,
): Promise<void> {
  const { projection } = registered
  if (projection.tenants === undefined) {
    await applyPart(batch, projection, mode)
    return
  }
  for await (const part of tenantParts(batch, registered)) await applyPart(part, projection, mode)
}

async function applyPart(batch: Batch, projection: Projection, mode: BatchMode): Promise<void> {
  // A fold alone is done before anything else can happen.
  if (projection.kind !== 'sql' && projection.enrich === undefined) {
    return runPart(batch, projection, mode)
  }
  await withinSession(() => runPart(batch, projection, mode), {
    probe: () => sql`select`.execute(batch.trx),
    what: projection.enrich === undefined ? 'a handler' : 'enrich, or a handler,',
  })
}

async function runPart(batch: Batch, projection: Projection, mode: BatchMode): Promise<void> {
  switch (projection.kind) {
    case 'fold':
      if (projection.mayShareRows || batch.hasMovedKeys) await waitForOtherPartitions(batch)
      if (mode === 'fast') await foldAll(projection, batch)
      else await foldApart(projection, batch)
      break
    case 'commutative':
      if (mode === 'fast') await addAll(projection, batch)
      else await addEach(projection, batch)
      break
    case 'sql':
      if (batch.hasMovedKeys) await waitForOtherPartitions(batch)
      await searchFirst(batch.trx, batch.schemaName)
      if (mode === 'fast') await handleAll(projection, batch)
      else await handleEach(projection, batch)
      break
  }
}

/** A row that another partition reads meanwhile would lose what this one writes, or the other way round. */
export async function waitForOtherPartitions({
  trx,
  schemaName,
}: Pick<Batch, 'trx' | 'schemaName'>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${schemaName}, 0))`.execute(trx)
}

async function foldAll(projection: FoldProjection, batch: Batch): Promise<void> {
  const { trx, ledger, records, schemaName, rowCache } = batch
  const batchRows = new BatchRows(projection, { schemaName, cache: rowCache })
  const enriched = await enrichAll(projection, batch)
  const keys = rowKeysOf(projection, records, ledger)
  await refuseSpelledTwice(trx, new FoldTable(projection, schemaName), keys)
  await batchRows.load(trx, keys)
  const changed = batchRows.fold((rows) =>
    foldInto(projection, { records, rows, changed: new Map(), ledger, enriched }),
  )
  await batchRows.write(trx, changed)
}

/**
 * Only what may have to do with a failure is folded event by event: of a batch with one row that the
 * database refuses, all others are written at once.
 */
async function foldApart(projection: FoldProjection, batch: Batch): Promise<void> {
  const { trx, ledger, records } = batch
  const table = new FoldTable(projection, batch.schemaName)
  const trial = await inTrial(trx, async () => {
    const enriched = await enrichAll(projection, batch)
    const keys = rowKeysOf(projection, records, ledger)
    if (await table.areSpelledTwice(trx, keys)) return undefined
    const rows = await table.load(trx, keys)
    const { changed, rowKeys, suspects } = trialFold(projection, {
      records,
      rows,
      ledger,
      enriched,
    })
    const refused = await refusedRows(trx, table, changesOf(changed, rows))
    const suspectRows = new Set([...suspects.rows, ...refused])
    const parts = setSuspectsApart(records, rowKeys, { ...suspects, rows: suspectRows })
    const changedRest = new Map(changed)
    for (const prepared of parts.apart) {
      const rowKey = rowKeys.get(prepared)
      if (rowKey !== undefined) changedRest.delete(rowKey)
    }
    return { ...parts, changes: changesOf(changedRest, rows) }
  })
  if (trial === undefined || !(await writesAll(trx, table, trial.changes))) {
    await foldEach(projection, batch)
    return
  }
  for (const prepared of trial.rest) if (ledger.open(prepared) !== null) ledger.applied()
  await foldEach(projection, { ...batch, records: trial.apart })
}

async function foldEach(projection: FoldProjection, batch: Batch): Promise<void> {
  const table = new FoldTable(projection, batch.schemaName)
  await isolateEach(batch, async (event, enter) => {
    const enriched = await enrichEvents(projection, batch, [event])
    const rows = await table.load(batch.trx, [rowKeyOf(projection, event)])
    const changes = foldOne(projection, { event, rows, enriched })
    enter('write')
    await namingColumn(projection.table, changes.upserts[0], () => table.write(batch.trx, changes))
  })
}

/** Postgres says which value it refuses, and not in which column of how many. */
async function namingColumn(
  table: Table,
  row: Row | undefined,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write()
  } catch (error) {
    const refused = row === undefined ? undefined : refusedColumn(table, row)
    const isNamed = refused === undefined || errorMessage(error).includes(`"${refused.column}"`)
    if (error instanceof Error && !isNamed) error.message += ` (${refused.reason})`
    throw error
  }
}

async function addAll(projection: CommutativeProjection, batch: Batch): Promise<void> {
  const { trx, ledger, records } = batch
  const enriched = await enrichAll(projection, batch)
  const table = new CommutativeTable(projection, batch.schemaName)
  await table.add(trx, addUpBatch(projection, { records, ledger, enriched }))
}

async function addEach(projection: CommutativeProjection, batch: Batch): Promise<void> {
  const table = new CommutativeTable(projection, batch.schemaName)
  await isolateEach(batch, async (event, enter) => {
    const enriched = await enrichEvents(projection, batch, [event])
    const { change } = changeOf(projection, event, enriched)
    enter('write')
    await namingColumn(projection.table, change, () => table.add(batch.trx, [change]))
  })
}

/** What the handlers of a batch need beside their events; all of it for events that are not parked. */
async function enrichAll(projection: Projection, batch: Batch): Promise<unknown> {
  if (projection.enrich === undefined) return batch.lookedUp
  const events = batch.records.flatMap(({ key, content }) =>
    content.kind === 'event' && !batch.ledger.isParked(key) ? [content.event] : [],
  )
  try {
    return await enrichEvents(projection, batch, events)
  } catch (error) {
    throw isEventFault(classifyFailure(error, 'handler')) ? new BlameNeeded(error) : error
  }
}

function enrichEvents(
  { enrich }: Projection,
  { trx, lookedUp }: Batch,
  events: readonly OpenEvent[],
): unknown {
  if (lookedUp !== undefined) return lookedUp
  return events.length === 0 ? undefined : enrich?.(events, { db: keepingTransaction(trx) })
}

async function handleAll(projection: SqlProjection, batch: Batch): Promise<void> {
  const trx = keepingTransaction(batch.trx).withSchema(batch.schemaName)
  const enriched = await enrichAll(projection, batch)
  for (const prepared of batch.records) {
    const event = batch.ledger.open(prepared)
    if (event === null) continue
    try {
      const own = enrichedFor(projection, enriched, event)
      const context = sqlContext(projection, batch, event, { trx, enriched: own })
      await projection.on[event.type]?.(event, context)
    } catch (error) {
      const failureClass = classifyFailure(error, 'handler')
      if (isEventFault(failureClass)) throw new BlameNeeded(error)
      throw redactedError(error, { sources: projection.sources, event, failureClass })
    }
    batch.ledger.applied()
  }
}

async function handleEach(projection: SqlProjection, batch: Batch): Promise<void> {
  const trx = keepingTransaction(batch.trx).withSchema(batch.schemaName)
  await isolateEach(batch, async (event) => {
    const enriched = await enrichEvents(projection, batch, [event])
    const own = enrichedFor(projection, enriched, event)
    const context = sqlContext(projection, batch, event, { trx, enriched: own })
    await projection.on[event.type]?.(event, context)
  })
}

function sqlContext(
  { sources }: Projection,
  { ranges, effects }: Batch,
  event: OpenEvent,
  bound: Pick<SqlContext<unknown, unknown>, 'trx' | 'enriched'>,
): SqlContext<unknown, unknown> {
  const { source, key, tenant = '' } = event
  const replay = !ranges.includes(source.partition, source.offset)
  return {
    ...bound,
    replay,
    liveOnly: (effect) => {
      if (replay) return
      const run: Effect['run'] = async (context) => {
        try {
          await effect(context)
        } catch (error) {
          throw redactedError(error, { sources, event, failureClass: 'code' })
        }
      }
      effects.push({ key: unitOf(tenant, key), run })
    },
  }
}

type OpenEvent = NonNullable<ReturnType<BatchLedger['open']>>

async function isolateEach(
  { trx, ledger, records, effects }: Batch,
  handle: (event: OpenEvent, enter: (stage: Stage) => void) => Promise<void>,
): Promise<void> {
  for (const prepared of records) {
    const event = ledger.open(prepared)
    if (event === null) continue
    let stage: Stage = 'handle'
    const effectCount = effects.length
    await sql`savepoint event`.execute(trx)
    try {
      await handle(event, (entered) => {
        stage = entered
      })
      // Deferred constraints speak up now, while it is clear whose they are; a handler that swallowed
      // a failed statement is found out here too.
      await sql`set constraints all immediate`.execute(trx)
      await sql`release savepoint event`.execute(trx)
      ledger.applied()
    } catch (error) {
      // On a lost connection this throws too, and nobody is blamed.
      await sql`rollback to savepoint event`.execute(trx)
      effects.length = effectCount
      ledger.failed(prepared, error, stage)
    }
  }
}

function keyCounts(ledger: BatchLedger, keyCount: number): KeyCounts {
  const parked = ledger.letters.flatMap(({ cause, tenant }) =>
    cause.kind === 'blocked' || cause.isOfTenant ? [] : [{ cause: cause.fingerprint, tenant }],
  )
  return { parked, keyCount }
}

function floodError(ledger: BatchLedger, fingerprint: string): FloodError {
  const ofCause = ledger.letters.flatMap(({ cause }) =>
    cause.kind === 'failed' && cause.fingerprint === fingerprint ? [cause] : [],
  )
  const { errorClass, errorMessage: message } = ofCause[0] ?? {}
  return new FloodError(
    `this batch would park ${ofCause.length} keys for one cause (${fingerprint}), such as ${errorClass}: ${message}. Mend what fails, or have them parked by a greater parked.keys.per.minute.max`,
  )
}
