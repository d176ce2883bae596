import { errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import pg from 'pg'
import type { LogicalMessage } from '@fairlead/cdc'
import { halt } from '../session-failure.ts'
import { Signals } from '../signals/signals.ts'
import { type SourceOptions, quotedTable } from './source-options.ts'

/** Of a logical decoding message at the beginning of a transaction: its rows are older than the transaction. */
const EARLIER_ROWS_PREFIX = 'fairlead.earlier'
/** Writers queue behind a lock that is waited for: not for long. The next session tries again. */
const LOCK_TIMEOUT_MS = 2_000

/**
 * Sees to the rows that were committed before the slot, and marks the slot as created.
 *
 * A service may have written events before a relay was ever started, and the log is only decoded
 * from the slot on. So all rows of outboxes are deleted and inserted again, in one transaction: from
 * there on they are events like all others. Of captured tables a snapshot is ordered, which reads them
 * while the log goes on.
 *
 * Nobody may write meanwhile, or this happens: slot made; event 2 of an aggregate committed; event
 * 1, which is older than the slot, written anew behind it. With the tables locked every row is
 * either rewritten here or newer than this transaction. Rows between the slot and the lock stand in
 * the log twice: it is read from where it ended under the lock.
 *
 * They are a snapshot, which belongs to no transaction: a message in the log says so before them.
 */
export async function publishEarlierRows(
  client: pg.Client,
  options: SourceOptions,
  capturedTables: readonly string[],
): Promise<void> {
  const isWanted = options.snapshotMode !== 'no_data'
  const tables = isWanted ? options.tables.map(quotedTable) : []
  try {
    await inTransaction(client, async () => {
      if (tables.length > 0) {
        await client.query(`lock table ${tables.join(', ')} in share row exclusive mode`)
      }
      await client.query(
        `update relay.slot set state = 'created', start_lsn = $2 where slot_name = $1`,
        [options.slotName, tables.length > 0 ? await endOfLog(client) : null],
      )
      if (tables.length > 0) {
        await client.query('select pg_logical_emit_message(true, $1, $2)', [
          EARLIER_ROWS_PREFIX,
          options.slotName,
        ])
      }
      for (const table of tables) await insertAgain(client, options, table)
      if (isWanted) {
        await new Signals(client, options.slotName).orderInitialSnapshot(capturedTables)
      }
    })
  } catch (error) {
    const errorClass = classifyPostgresError(error)
    if (errorClass === 'infra' || errorClass === 'contention') throw error
    throw halt(
      'SNAPSHOT_REFUSED',
      `rows that are older than the slot cannot be written anew (${errorMessage(error)}): grant insert and delete on the outbox, or set snapshot.mode to no_data`,
    )
  }
}

export function precedesEarlierRows({ prefix, isTransactional }: LogicalMessage): boolean {
  return isTransactional && prefix === EARLIER_ROWS_PREFIX
}

/** Behind the commit of every transaction whose locks are gone, synced or not. */
async function endOfLog(client: pg.Client): Promise<string | null> {
  const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn')
  return rows[0]?.lsn ?? null
}

async function insertAgain(
  client: pg.Client,
  options: SourceOptions,
  table: string,
): Promise<void> {
  const names = await columnsOf(client, table)
  const columns = names.map((name) => pg.escapeIdentifier(name))
  const { timestamp } = options.columns
  const time = names.includes(timestamp) ? `${pg.escapeIdentifier(timestamp)}, ` : ''
  await client.query(
    long(`with earlier as (
       delete from ${table} as event
       returning ${columns.map((name) => `event.${name}`).join(', ')}, event.ctid as fairlead_place
     )
     insert into ${table} (${columns.join(', ')}) overriding system value
     select ${columns.join(', ')} from earlier order by ${time}fairlead_place`),
  )
}

/** All but generated ones, which Postgres computes again. */
async function columnsOf(client: pg.Client, table: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ attname: string }>(
    `select attname from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attgenerated = ''
     order by attnum`,
    [table],
  )
  return rows.map(({ attname }) => attname)
}

/** The longest that a timer of Node has. */
const QUERY_TIMEOUT_MAX_MS = 2 ** 31 - 1

/** A statement that may take long: the connection's own timeout of queries does not apply. */
function long(text: string): pg.QueryConfig {
  const query: pg.QueryConfig & { readonly query_timeout: number } = {
    text,
    query_timeout: QUERY_TIMEOUT_MAX_MS,
  }
  return query
}

/** The tables may be large: the timeout of a statement does not apply. */
async function inTransaction(client: pg.Client, action: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await client.query(
      `set local statement_timeout = 0; set local lock_timeout = ${LOCK_TIMEOUT_MS}`,
    )
    await action()
    await client.query(long('commit'))
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}
