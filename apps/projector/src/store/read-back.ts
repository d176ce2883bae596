/** As Postgres writes it. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether a value comes back from the table as it went in, for each type of which that can be told. */
const READS_BACK: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ['bigint', (value) => typeof value === 'bigint'],
  ['integer', isInteger],
  ['smallint', isInteger],
  ['double precision', (value) => typeof value === 'number' && !Object.is(value, -0)],
  ['boolean', (value) => typeof value === 'boolean'],
  ['text', (value) => typeof value === 'string' && value.isWellFormed()],
  ['uuid', (value) => typeof value === 'string' && UUID.test(value)],
  ['timestamptz', (value) => value instanceof Date],
])

/**
 * Of a type of column, without whether it is nullable; undefined where a value may be read in another form than
 * it was written in, as `numeric`, `date` and `jsonb` are, or can be changed by whoever has it, as `bytea` can.
 */
export function readsBack(type: string): ((value: unknown) => boolean) | undefined {
  return READS_BACK.get(type)
}

function isInteger(value: unknown): boolean {
  return Number.isInteger(value) && !Object.is(value, -0)
}
