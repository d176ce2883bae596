import { type Lsn, lsn, parseLsn } from '@fairlead/base'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { type CommitToken, UNKNOWN_LSN, formatCommitToken } from './commit-token.ts'
import { TransactionNotCommittedError } from './outbox-error.ts'
import { NO_APPEND, type TransactionEvents } from './written-events.ts'

export const TRANSACTION_ID: RawBuilder<string> = sql<string>`pg_current_xact_id()::text`
/** No transaction has this id. */
export const NO_TRANSACTION = '0'

/**
 * A setting of the transaction whose value is the last append to it. A rollback to a savepoint takes back what was set
 * since, so that it is the last one that is not rolled back.
 */
const LAST_APPEND_SETTING = 'fairlead.last_append'
export const LAST_APPEND: RawBuilder<string> = sql<string>`
  coalesce(current_setting(${LAST_APPEND_SETTING}, true), ${NO_APPEND})`

export function setLastAppend(appendId: string): RawBuilder<string> {
  return sql<string>`set_config(${LAST_APPEND_SETTING}, ${appendId}::text, true)`
}

/** The transaction at hand, and the last append to it that is not rolled back. */
export async function currentTransaction<DB>(
  transaction: Kysely<DB>,
): Promise<{ readonly transactionId: string; readonly lastAppendId: string }> {
  const { rows } = await sql<{ id: string; last: string }>`
    select ${TRANSACTION_ID} as id, ${LAST_APPEND} as last`.execute(transaction)
  const [row] = rows
  return { transactionId: row?.id ?? NO_TRANSACTION, lastAppendId: row?.last ?? NO_APPEND }
}

/** Above the commit record of every transaction whose commit was answered. */
export async function lsnBehindCommits<DB>(db: Kysely<DB>): Promise<Lsn> {
  const { rows } = await sql<{ lsn: string }>`
    select pg_current_wal_insert_lsn()::text as lsn`.execute(db)
  return parseLsn(rows[0]?.lsn ?? '')
}

/**
 * Above the commit record of this one.
 *
 * @throws {TransactionNotCommittedError} when it has none.
 */
export async function lsnBehindCommitOf<DB>(db: Kysely<DB>, transactionId: string): Promise<Lsn> {
  // Asked for one after the other: it may commit in between. Null is the status of one of long ago.
  const { rows } = await sql<{ status: string | null; lsn: string | null }>`
    select status, case when status is distinct from 'in progress'
      then pg_current_wal_insert_lsn()::text end as lsn
    from (select pg_xact_status(${transactionId}::xid8) as status offset 0) as transaction`.execute(
    db,
  )
  const [row] = rows
  if (row?.status === 'aborted')
    throw new TransactionNotCommittedError('a transaction that was rolled back has no token')
  if (row?.status === 'in progress') {
    throw new TransactionNotCommittedError(
      'the transaction is still open: its token is there once it has committed',
    )
  }
  return parseLsn(row?.lsn ?? '')
}

/** Of a transaction that wrote no events. */
export const NO_EVENTS: CommitToken = formatCommitToken({
  transactionId: NO_TRANSACTION,
  lsn: lsn(0n),
  written: new Map(),
})

/** Of one that has committed. */
export async function tokenOf(
  transactionId: string,
  askLsn: () => Promise<Lsn>,
  events: TransactionEvents,
): Promise<CommitToken> {
  const at = await orUnknown(askLsn)
  // After the question: until the commit events may be added.
  return formatCommitToken({ transactionId, lsn: at, written: events.topics })
}

/** A caller that is told of trouble here would carry out his transaction again, which has committed. */
async function orUnknown(ask: () => Promise<Lsn>): Promise<Lsn> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof TransactionNotCommittedError) throw error
    return UNKNOWN_LSN
  }
}
