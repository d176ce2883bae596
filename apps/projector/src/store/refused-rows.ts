import {
  type RowChanges,
  type RowKey,
  classifyFailure,
  errorCode,
  isEventFault,
} from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import type { FoldTable } from './fold-table.ts'

/** More refused rows than that are not searched for: going through them one by one is as quick. */
const REFUSED_ROWS_MAX = 64

/**
 * Refusals that are about one row, whatever the others are: data exceptions, not null, check. What a
 * unique or a foreign key refuses depends on which row came first.
 */
const OF_ONE_ROW = /^(22|23502$|23514$)/

/** The search was given up; each event has to be looked at. */
class Entangled extends Error {
  override readonly name = 'Entangled'
}

/**
 * Runs `trial` and takes back what it did to the database; undefined when it failed over an event, or
 * could not tell which.
 */
export async function inTrial<T>(
  trx: Transaction<unknown>,
  trial: () => Promise<T>,
): Promise<T | undefined> {
  await sql`savepoint trial`.execute(trx)
  try {
    return await trial()
  } catch (error) {
    if (error instanceof Entangled || isOverAnEvent(error)) return undefined
    throw error
  } finally {
    // On a lost connection this throws too.
    await sql`rollback to savepoint trial`.execute(trx)
  }
}

/**
 * Keys of the rows that the table refuses, found by halving: a few statements for each, however many rows
 * there are. Call it within {@link inTrial}.
 */
export async function refusedRows(
  trx: Transaction<unknown>,
  table: FoldTable,
  { upserts, deletes }: RowChanges,
): Promise<ReadonlySet<RowKey>> {
  const refused = new Set<RowKey>()
  const search = async (part: RowChanges): Promise<void> => {
    const refusal = await refusalOf(trx, () => table.write(trx, part))
    if (refusal === undefined) return
    const [first] = part.upserts
    if (!isOfOneRow(refusal) || first === undefined) throw new Entangled()
    if (part.upserts.length === 1) {
      refused.add(table.keyOf(first))
      if (refused.size > REFUSED_ROWS_MAX) throw new Entangled()
      return
    }
    const middle = Math.ceil(part.upserts.length / 2)
    await search({ upserts: part.upserts.slice(0, middle), deletes: [] })
    await search({ upserts: part.upserts.slice(middle), deletes: [] })
  }
  await table.delete(trx, deletes)
  await search({ upserts, deletes: [] })
  return refused
}

/** Whether the changes were written, all of them; none is when the table refuses one. */
export async function writesAll(
  trx: Transaction<unknown>,
  table: FoldTable,
  changes: RowChanges,
): Promise<boolean> {
  return (await refusalOf(trx, () => table.write(trx, changes))) === undefined
}

/** Why a write was taken back; undefined when it stands. */
async function refusalOf(
  trx: Transaction<unknown>,
  write: () => Promise<void>,
): Promise<{ readonly error: unknown } | undefined> {
  await sql`savepoint part`.execute(trx)
  try {
    await write()
    // Deferred constraints speak up now.
    await sql`set constraints all immediate`.execute(trx)
    await sql`release savepoint part`.execute(trx)
    return undefined
  } catch (error) {
    await sql`rollback to savepoint part`.execute(trx)
    if (!isOverAnEvent(error)) throw error
    return { error }
  }
}

function isOverAnEvent(error: unknown): boolean {
  return isEventFault(classifyFailure(error, 'database'))
}

/** A value that has no text form was refused before the database saw it. */
function isOfOneRow({ error }: { readonly error: unknown }): boolean {
  const code = errorCode(error)
  return code === '' ? error instanceof Error : OF_ONE_ROW.test(code)
}
