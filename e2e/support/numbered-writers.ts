import { setTimeout as delay } from 'node:timers/promises'
import type { IncomingRecord } from '@fairlead/kafka'
import type pg from 'pg'
import { headerOf } from './relay-stack.ts'

const WRITER_COUNT = 8
const KEYS_PER_WRITER = 3
/** About 200 events per second in all, in transactions of one to four. */
const PAUSE_MS = 80
const EVENTS_MAX = 4

/**
 * Writes events whose type is their number in the aggregate. An aggregate belongs to one writer, so
 * the numbers of the rows that were committed rise in commit order; a number whose transaction was
 * lost in a crash is skipped.
 */
export class NumberedWriters {
  readonly #pool: pg.Pool
  readonly #stopped = new AbortController()
  readonly #writers: Promise<unknown>
  failureCount = 0

  constructor(pool: pg.Pool) {
    this.#pool = pool
    this.#writers = Promise.all(
      Array.from({ length: WRITER_COUNT }, (_, writer) => this.#write(writer)),
    )
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#writers
  }

  async #write(writer: number): Promise<void> {
    for (let number = 0; !this.#stopped.signal.aborted; number += EVENTS_MAX) {
      const count = 1 + Math.floor(Math.random() * EVENTS_MAX)
      const key = `${writer}-${Math.floor(Math.random() * KEYS_PER_WRITER)}`
      await this.#pool
        .query(
          `insert into outbox.events (aggregatetype, aggregateid, type)
           select 'order', $1, ($2::int + n)::text from generate_series(0, $3::int - 1) as n`,
          [key, number, count],
        )
        .catch(() => {
          this.failureCount += 1
        })
      await delay(PAUSE_MS)
    }
  }
}

export type NumbersByKey = Readonly<Record<string, readonly number[]>>

/** Per aggregate, the numbers of the rows that are committed. */
export async function committedNumbers(pool: pg.Pool): Promise<NumbersByKey> {
  const { rows } = await pool.query<{ key: string; numbers: number[] }>(
    `select aggregateid as key, array_agg(type::int order by type::int) as numbers
     from outbox.events where aggregatetype = 'order' group by 1`,
  )
  return Object.fromEntries(rows.map(({ key, numbers }) => [key, numbers]))
}

/** Per key, the numbers of the records as they stand in their partition. */
export function publishedNumbers(records: readonly IncomingRecord[]): NumbersByKey {
  const numbers: Record<string, number[]> = {}
  for (const record of records) {
    const key = Buffer.from(record.key ?? []).toString()
    numbers[key] ??= []
    numbers[key].push(Number(headerOf(record, 'eventType')))
  }
  return numbers
}
