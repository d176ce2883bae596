import type pg from 'pg'

type Mark = { readonly lsn: string; readonly at: string }

/**
 * Keeps `relay.slot.published_until`: at some moment the end of the log is noted, and once the slot has
 * confirmed that end, everything that was committed before the moment is published.
 */
export class PublishedUntil {
  readonly #client: pg.Client
  readonly #slotName: string
  #mark: Mark | undefined

  constructor(client: pg.Client, slotName: string) {
    this.#client = client
    this.#slotName = slotName
  }

  /** Called every few seconds. */
  async tick(): Promise<void> {
    const { rows } = await this.#client.query<Mark & { readonly isPassed: boolean | null }>(
      `select pg_current_wal_insert_lsn()::text as lsn, clock_timestamp()::text as at,
         confirmed_flush_lsn >= $2::pg_lsn as "isPassed"
       from pg_replication_slots where slot_name = $1`,
      [this.#slotName, this.#mark?.lsn ?? null],
    )
    const [seen] = rows
    if (seen === undefined) return
    if (this.#mark !== undefined && seen.isPassed === true) await this.#store(this.#mark)
    if (this.#mark === undefined || seen.isPassed === true) this.#mark = seen
  }

  async #store({ at }: Mark): Promise<void> {
    await this.#client.query(
      'update relay.slot set published_until = $2::timestamptz where slot_name = $1',
      [this.#slotName, at],
    )
  }
}
