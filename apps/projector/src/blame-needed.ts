import { errorMessage } from '@fairlead/base'
import type { RowKey } from '@fairlead/projection'
import type { Kysely } from 'kysely'
import type { FoldTable } from './store/fold-table.ts'

/** A handler failed in the fast mode; the isolated mode finds out what is to be done about it. */
export class BlameNeeded extends Error {
  override readonly name = 'BlameNeeded'

  constructor(cause: unknown, what = 'a handler failed') {
    super(`${what}: ${errorMessage(cause)}`, { cause })
  }
}

/**
 * Of rows that were folded under two keys one would overwrite what the other one has, or outlive its deletion. Event by
 * event each is folded over what the one before it has left.
 *
 * @throws {BlameNeeded} when two of the keys are one to the database.
 */
export async function refuseSpelledTwice(
  db: Kysely<unknown>,
  table: FoldTable,
  keys: readonly RowKey[],
): Promise<void> {
  if (!(await table.areSpelledTwice(db, keys))) return
  const cause = new Error(`keys in two spellings are of one row of ${table.qualifiedName}`)
  throw new BlameNeeded(cause, 'events are to be applied one by one')
}
