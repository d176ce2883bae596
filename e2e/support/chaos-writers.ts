import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

const WRITER_COUNT = 8
const KEYS_PER_WRITER = 5
const PAUSE_MAX_MS = 80
const ROWS_MAX = 20
const COPY_ROWS_MAX = 40
const LARGE_ROWS = 1_500
/** One transaction of so many is a large one. */
const LARGE_EVERY = 200
const ADJACENT_MAX = 4

/**
 * Writes events in every shape that has ever confused a reader of the log: single rows, many, COPY whose
 * rows share one LSN, commits side by side, large transactions, savepoints and transactions that are
 * rolled back.
 *
 * The type of an event is its number. An aggregate belongs to one writer, so the numbers of the rows
 * that were committed rise in commit order; those of a transaction that was lost are skipped.
 */
export class ChaosWriters {
  readonly #pool: pg.Pool
  readonly #stopped = new AbortController()
  readonly #writers: Promise<unknown>

  constructor(pool: pg.Pool, seed: number) {
    this.#pool = pool
    this.#writers = Promise.all(
      Array.from({ length: WRITER_COUNT }, (_, writer) =>
        this.#write(`${writer}`, seededRandom(seed + writer)),
      ),
    )
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#writers
  }

  async #write(writer: string, random: SeededRandom): Promise<void> {
    let number = 0
    while (!this.#stopped.signal.aborted) {
      const key = `${writer}-${random.int(KEYS_PER_WRITER)}`
      const rowCount = random.int(LARGE_EVERY) === 0 ? LARGE_ROWS : 1 + random.int(ROWS_MAX)
      const [sql, used] = random.pick(SHAPES)(key, number, { rowCount, random })
      number += used
      // What became of a transaction whose answer is lost stands in the table.
      await this.#pool.query(sql).catch(() => undefined)
      await delay(random.int(PAUSE_MAX_MS))
    }
  }
}

/** The statements of a transaction, or some, and how many numbers they use. */
type Shape = (
  key: string,
  number: number,
  given: { readonly rowCount: number; readonly random: SeededRandom },
) => readonly [sql: string, used: number]

const insert = (key: string, from: number, rowCount: number): string =>
  `insert into outbox.events (aggregatetype, aggregateid, type)
   select 'order', '${key}', n::text from generate_series(${from}, ${from + rowCount - 1}) as n`

const rows: Shape = (key, number, { rowCount }) => [insert(key, number, rowCount), rowCount]

const singleRow: Shape = (key, number) => [insert(key, number, 1), 1]

const unsynced: Shape = (key, number, { rowCount }) => [
  `begin; set local synchronous_commit = off; ${insert(key, number, rowCount)}; commit`,
  rowCount,
]

const adjacent: Shape = (key, number, { random }) => {
  const count = 2 + random.int(ADJACENT_MAX)
  const transactions = Array.from(
    { length: count },
    (_, index) =>
      `begin; set local synchronous_commit = off; ${insert(key, number + index, 1)}; commit;`,
  )
  return [transactions.join(' '), count]
}

const rolledBack: Shape = (key, number, { rowCount }) => [
  `begin; ${insert(key, number, rowCount)}; rollback`,
  rowCount,
]

const savepoint: Shape = (key, number, { rowCount }) => [
  `begin; ${insert(key, number, 1)}; savepoint s; ${insert(key, number + 1, rowCount)};
   rollback to s; ${insert(key, number + 1 + rowCount, 1)}; commit`,
  rowCount + 2,
]

/** No column has a default to compute, so that all rows of a page are one record of the log. */
const copy: Shape = (key, number, { random }) => {
  const rowCount = 2 + random.int(COPY_ROWS_MAX)
  const lines = Array.from(
    { length: rowCount },
    (_, index) => `${randomUUID()},order,${key},${number + index},,{},,2026-01-01 00:00:00+00`,
  )
  return [
    `copy outbox.events (id, aggregatetype, aggregateid, type, payload, headers, tracingspancontext,
       created_at) from program $$printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}$$
     with (format csv)`,
    rowCount,
  ]
}

const SHAPES = [rows, rows, singleRow, singleRow, unsynced, adjacent, rolledBack, savepoint, copy]
