import assert from 'node:assert/strict'
import type { NewEvent } from '@fairlead/avro'
import type { Letter, Projection, Row, Table } from '@fairlead/projection'
import type { Kysely } from 'kysely'
import { openReadModel } from './open-read-model.ts'
import type { ReadModel, Tables } from './read-model.ts'
import { historyOf, recordOf } from './records.ts'

export type GivenOptions<DB = unknown> = {
  /**
   * For projections in SQL, and for look-ups: a database that the test may create schemas in. Its pool has
   * the types that handlers read live: `new pg.Pool({ types: valueTypes(pg.types), … })`.
   */
  readonly db?: Kysely<DB>
  /** What the projection's `enrich` returns, in place of a look-up. */
  readonly enriched?: unknown
  /** Whose the events are. A key of theirs that is parked is `<tenant>/<key>`. */
  readonly tenant?: string
  /** When the first event happens; each later one is a second later. Default 2026-01-01 UTC. */
  readonly at?: Date
}

export interface Given {
  /** In the order of the log. */
  events(...events: readonly NewEvent[]): Outcome
}

export interface Outcome {
  /**
   * Compares the rows, as many as there are, in the columns that the expected row names. A row is
   * found by the key if the expected row has it; otherwise rows are in the order of their keys; in SQL, of their
   * columns, one after the other. Of a
   * projection with several tables, rows are given by table.
   *
   * Rejects with an `AssertionError`; an event whose handler threw, and whose key is not among
   * `parked`, rejects with that error.
   */
  then(
    rows: readonly Row[] | Readonly<Record<string, readonly Row[]>>,
    options?: { readonly parked?: readonly string[] },
  ): Promise<void>
}

/**
 * Tests what events make of a projection's rows. Folds and commutative projections need no database:
 *
 *     await given(orderSummary).events(placed, paid).then([{ order_id: 'o1', status: 'paid' }])
 */
export function given<DB>(projection: Projection, options: GivenOptions<DB> = {}): Given {
  return {
    events: (...events) => ({
      // Not a promise: it takes rows. Who awaits it without them is told so.
      // oxlint-disable-next-line unicorn/no-thenable
      then: async (rows, expected = {}) => {
        if (typeof rows === 'function') return refuseAwait(expected)
        const { parked = [] } = expected
        const model = await openReadModel(projection, options)
        try {
          const { at: firstAt, tenant = '' } = options
          await applyEach(model, projection, { events, firstAt, tenant })
          refuseLetters(model.letters, parked)
          compare(await model.rows(), rows, projection)
        } finally {
          await model.close()
        }
      },
    }),
  }
}

async function applyEach(
  model: ReadModel,
  projection: Projection,
  history: {
    readonly events: readonly NewEvent[]
    readonly firstAt: Date | undefined
    readonly tenant: string
  },
): Promise<void> {
  for (const historic of historyOf(projection, history.events, history.firstAt)) {
    const { topic } = historic.event
    const of = { ...historic, tenant: history.tenant }
    const record = recordOf(projection, of, model.nextOffset(topic))
    await model.apply({ topic, records: [record] })
  }
}

function refuseLetters(letters: readonly Letter[], parked: readonly string[]): void {
  for (const { key, eventType, cause } of letters) {
    if (cause.kind === 'blocked' || parked.includes(key)) continue
    throw new Error(`${eventType} with key "${key}" failed: ${cause.errorMessage}`, {
      cause: cause.errorStack,
    })
  }
  const keys = new Set(letters.map(({ key }) => key))
  const missing = parked.filter((key) => !keys.has(key))
  assert.deepEqual(missing, [], 'keys that should be parked, and are not')
}

function compare(
  actual: Tables,
  expected: readonly Row[] | Readonly<Record<string, readonly Row[]>>,
  projection: Projection,
): void {
  const tables = Object.keys(actual)
  const byTable = isRows(expected) ? { [onlyTable(tables)]: expected } : expected
  assert.deepEqual(Object.keys(byTable).sort(), tables.sort(), 'tables of the projection')
  const keyColumn = projection.kind === 'sql' ? undefined : projection.table.keyColumn
  for (const [table, rows] of Object.entries(byTable)) {
    const found = actual[table] ?? []
    if (projection.kind !== 'sql') refuseUnknownColumns(projection.table, rows)
    assert.deepEqual(inColumnsOf(rows, found, keyColumn), rows, `rows of ${table}`)
  }
}

/** Nothing is there, and `undefined` would be expected of it, whatever the events make. */
function refuseUnknownColumns({ name, columns }: Table, rows: readonly Row[]): void {
  const unknown = rows.flatMap(Object.keys).find((column) => !Object.hasOwn(columns, column))
  if (unknown !== undefined) throw new TypeError(`${name} has no column "${unknown}" to expect`)
}

function isRows(
  expected: readonly Row[] | Readonly<Record<string, readonly Row[]>>,
): expected is readonly Row[] {
  return Array.isArray(expected)
}

function onlyTable(tables: readonly string[]): string {
  const [table, ...others] = tables
  if (table === undefined || others.length > 0) {
    throw new TypeError(`give the rows by table: there are ${tables.join(', ')}`)
  }
  return table
}

/** What is there in place of each expected row, and what is there besides. */
function inColumnsOf(
  expected: readonly Row[],
  found: readonly Row[],
  keyColumn: string | undefined,
): readonly (Row | undefined)[] {
  const rest = [...found]
  const matches = expected.map((row) => {
    const key = keyColumn === undefined ? undefined : row[keyColumn]
    const index =
      keyColumn === undefined || key === undefined
        ? 0
        : rest.findIndex((candidate) => candidate[keyColumn] === key)
    const [match] = index < 0 ? [] : rest.splice(index, 1)
    return match === undefined ? undefined : pick(match, Object.keys(row))
  })
  return [...matches, ...rest]
}

function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column]]))
}

/** `await given(…).events(…)` calls `then` with the two functions of a promise. */
function refuseAwait(reject: unknown): void {
  const error = new TypeError('given(…).events(…) checks nothing by itself: call .then(rows)')
  if (typeof reject === 'function') reject(error)
  else throw error
}
