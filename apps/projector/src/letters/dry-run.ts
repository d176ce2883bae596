import {
  Attempts,
  BatchLedger,
  EffectRanges,
  type Letter,
  type LookedUp,
  type PreparedRecord,
  classifyFailure,
} from '@fairlead/projection'
import { OperationalError, errorMessage } from '@fairlead/base'
import { postgresErrorCode } from '@fairlead/postgres'
import { type KyselyPlugin, type Transaction, sql } from 'kysely'
import { applyRecords, waitForOtherPartitions } from '../apply-batch.ts'
import { outcomesOf, prepareLetters } from '../drain-letters.ts'
import { LookUps } from '../look-ups.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import { type Database, inTransaction } from '../store/database.ts'
import { DEADLOCK_DETECTED } from '../store/held-locks.ts'
import type { TopicOfProjection } from '../store/letter-owner.ts'
import type { LetterQueue } from '../store/letter-queue.ts'
import { versionOf } from '../store/registered-projection.ts'
import { listTenantSchemas, tenantSchemas } from '../store/tenant-schemas.ts'
import { type RowChange, netChanges, readRow } from './row-changes.ts'

/** Code of the error of a dry run that somebody would have to wait for too long for. */
export const DRY_RUN_TOO_LONG = 'DRY_RUN_TOO_LONG'
/** Code of the error of a dry run at which the projection would stop, through no fault of an event. */
export const STOPS_PROJECTION = 'STOPS_PROJECTION'
/** A dry run holds up the batches of its projection, and gives up rather than wait for one. */
const LOCK_TIMEOUT_MS = 2_000
/** Nor does it hold them up for longer: neither one statement of it does, nor all of them. */
const TRANSACTION_TIMEOUT_MS = 10_000
/** A handler may write tables in another order than they are watched in. A batch that is let through is out of the way. */
const DEADLOCKS_MAX = 3

export type DryRun = {
  readonly appliedCount: number
  /** The letters that would fail again. */
  readonly failed: readonly { readonly id: bigint; readonly cause: Letter['cause'] }[]
  readonly changes: readonly RowChange[]
  /** There are more letters than one run takes. */
  readonly isCut: boolean
}

/** Ends the transaction of a dry run, with what it found out. */
class RolledBack extends Error {
  override readonly name = 'RolledBack'
  readonly found: DryRun

  constructor(found: DryRun) {
    super('a dry run changes nothing')
    this.found = found
  }
}

/**
 * Applies letters in a transaction that is rolled back, and answers which rows would change. Triggers
 * that live as long as the transaction note the changes; they keep other writers of the tables
 * waiting for its end.
 *
 * @throws the reason of `signal`, which ends look-ups. {OperationalError} {@link DRY_RUN_TOO_LONG} when
 *   the statements of its handlers take too long, or it is in a dead lock with one batch after the other,
 *   {@link STOPS_PROJECTION} when they do not fit the database. What look-ups and `applyRecords` throw.
 */
export async function dryRun(
  db: Database,
  owner: TopicOfProjection,
  {
    reader,
    queue,
    signal,
  }: { readonly reader: RecordReader; readonly queue: LetterQueue; readonly signal: AbortSignal },
): Promise<DryRun> {
  const prepared = await prepareLetters(reader, queue.letters)
  const records = prepared.filter(
    ({ content }) => content.kind === 'event' || content.kind === 'undecodable',
  )
  const lookUps = new LookUps(owner.projection, signal)
  const lookedUp = await asLive(() => lookUps.of(records, () => false))
  for (let deadlocks = 0; deadlocks < DEADLOCKS_MAX; deadlocks += 1) {
    try {
      return await tryOut(db, owner, { queue, records, lookedUp, signal })
    } catch (error) {
      if (postgresErrorCode(error) !== DEADLOCK_DETECTED) throw error
    }
  }
  throw new OperationalError(
    `the dry run and batches of the projection were in a dead lock with each other, ${DEADLOCKS_MAX} times: pause the projection, or try again`,
    { code: DRY_RUN_TOO_LONG, retryable: true },
  )
}

async function tryOut(
  db: Database,
  owner: TopicOfProjection,
  of: {
    readonly queue: LetterQueue
    readonly records: readonly PreparedRecord[]
    readonly lookedUp: LookedUp | undefined
    readonly signal: AbortSignal
  },
): Promise<DryRun> {
  const { queue, records, lookedUp, signal } = of
  const { projection, schemaName } = owner
  const ledger = new BatchLedger({
    projection: { ...projection, retry: { ...projection.retry, retries: 0 } },
    parkedKeys: new Set(),
    attempts: Attempts.none,
  })
  try {
    return await inTransaction(db, async (transaction) => {
      const trx = transaction.withPlugin(endedBy(signal, TRANSACTION_TIMEOUT_MS))
      await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(trx)
      await sql`set local statement_timeout = ${sql.lit(TRANSACTION_TIMEOUT_MS)}`.execute(trx)
      const places = await placesOf(trx, owner, records)
      await prepareNotes(trx)
      for (const place of places) {
        // Batches take it before they touch the tables: one that has it would wait for these, and this for that.
        await waitForOtherPartitions({ trx, schemaName: place.schemaName })
        await noteChanges(trx, place)
      }
      const batch = { trx, ledger, schemaName, records, lookedUp }
      await asLive(() =>
        applyRecords({ ...batch, ranges: EffectRanges.none, effects: [] }, owner, 'isolated'),
      )
      const { appliedIds, outcomes } = outcomesOf(queue, ledger.letters)
      throw new RolledBack({
        appliedCount: appliedIds.length,
        failed: outcomes.flatMap(({ failed }) =>
          failed === undefined ? [] : [{ id: failed.id, cause: failed.letter.cause }],
        ),
        changes: await readChanges(trx, places),
        isCut: queue.isCut,
      })
    })
  } catch (error) {
    if (error instanceof RolledBack) return error.found
    throw error
  }
}

/** A table or column that is not there stops a projection; here it is the answer. */
async function asLive<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (classifyFailure(error, 'handler') !== 'schema') throw error
    throw new OperationalError(errorMessage(error), {
      code: STOPS_PROJECTION,
      retryable: false,
      cause: error,
    })
  }
}

/**
 * Lets no statement begin, of handlers and `enrich` either, once it has taken too long or nobody waits
 * for it.
 */
function endedBy(signal: AbortSignal, timeoutMs: number): KyselyPlugin {
  const endMs = performance.now() + timeoutMs
  return {
    transformQuery: ({ node }) => {
      signal.throwIfAborted()
      if (performance.now() < endMs) return node
      throw new OperationalError(
        `the letters are not applied within ${timeoutMs} ms, for which the batches of the projection wait: try fewer of them`,
        { code: DRY_RUN_TOO_LONG, retryable: true },
      )
    },
    transformResult: ({ result }) => Promise.resolve(result),
  }
}

/** A schema with tables that may change, and what is put in front of their names. */
type Place = { readonly schemaName: string; readonly prefix: string }

/** In the order of batches. Schemas of tenants that are new to the version are made, and rolled back with all else. */
async function placesOf(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  records: readonly PreparedRecord[],
): Promise<readonly Place[]> {
  if (owner.projection.tenants !== 'schema') return [{ schemaName: owner.schemaName, prefix: '' }]
  const tenants = new Set(records.flatMap(({ tenant }) => (tenant === '' ? [] : [tenant])))
  await tenantSchemas(trx, owner, [...tenants])
  const known = await listTenantSchemas(trx, versionOf(owner))
  return known
    .filter(({ tenant }) => tenants.has(tenant))
    .toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1))
    .map(({ schemaName, viewSchema }) => ({ schemaName, prefix: `${viewSchema}.` }))
}

async function prepareNotes(trx: Transaction<unknown>): Promise<void> {
  await sql`
    create temporary table row_change (
      position bigint generated always as identity, table_name text, before jsonb, after jsonb
    ) on commit drop`.execute(trx)
}

async function noteChanges(
  trx: Transaction<unknown>,
  { schemaName, prefix }: Place,
): Promise<void> {
  // A trigger of a partitioned table is one of its partitions, too.
  const { rows: tables } = await sql<{ name: string }>`
    select relname::text as name from pg_class
    where relnamespace = ${schemaName}::regnamespace and relkind in ('r', 'p')
      and not relispartition
    order by 1`.execute(trx)
  for (const { name } of tables) {
    await sql`create trigger fairlead_dry_run after insert or update or delete
      on ${sql.table(`${schemaName}.${name}`)}
      for each row execute function evt.note_row_change(${sql.lit(prefix)})`.execute(trx)
  }
}

/** What the triggers have noted, by the names of tables that are no partitions. */
async function readChanges(
  trx: Transaction<unknown>,
  places: readonly Place[],
): Promise<readonly RowChange[]> {
  const { rows: tables } = await sql<{
    noted: string
    table: string
    columns: readonly string[] | null
  }>`
    select p.prefix || c.relname as noted, p.prefix || root.relname as table,
      (select array_agg(a.attname::text) from pg_index i
        join pg_attribute a on a.attrelid = root.oid and a.attnum = any(i.indkey)
        where i.indrelid = root.oid and i.indisprimary) as columns
    from unnest(${places.map(({ schemaName }) => schemaName)}::text[],
      ${places.map(({ prefix }) => prefix)}::text[]) as p (schema_name, prefix)
    join pg_class c on c.relnamespace = p.schema_name::regnamespace and c.relkind in ('r', 'p')
    join pg_class root on root.oid = coalesce(pg_partition_root(c.oid), c.oid)`.execute(trx)
  const tableOf = new Map(tables.map(({ noted, table }) => [noted, table]))
  const { rows: changes } = await sql<{
    table: string
    before: string | null
    after: string | null
  }>`
    select table_name as "table", before::text, after::text from pg_temp.row_change
    order by position`.execute(trx)
  return netChanges(
    changes.map(({ table, before, after }) => ({
      table: tableOf.get(table) ?? table,
      before: readRow(before),
      after: readRow(after),
    })),
    new Map(tables.flatMap(({ table, columns }) => (columns === null ? [] : [[table, columns]]))),
  )
}
