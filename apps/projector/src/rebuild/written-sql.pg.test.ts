import type { SqlProjection } from '@fairlead/projection'
import { CompiledQuery, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
})

afterEach(() => fixture.close())

/** Its statements name no schema. Throws for zero, so that the batch is applied event by event. */
const written: SqlProjection = {
  ...totals,
  on: {
    Deposited: async ({ data, key }, { trx }) => {
      const { amount } = data as { readonly amount: number }
      if (amount === 0) throw new RangeError('nothing deposited')
      await sql`insert into day_total values (${key}, ${amount})
        on conflict (day) do update set total = day_total.total + excluded.total`.execute(trx)
    },
  },
}

const totalsIn = async (schemaName: string): Promise<readonly unknown[]> => {
  const { rows } = await sql<{ day: string; total: bigint }>`
    select day, total from ${sql.table(`${schemaName}.day_total`)} order by day`.execute(fixture.db)
  return rows.map(({ day, total }) => [day, total])
}

test.for([
  ['all at once', []],
  ['event by event', [deposited('poison', 0)]],
] as const)('SQL that names no schema changes the rows of its version, %s', async ([, poison]) => {
  fixture.log.append(0, deposited('mon', 1), ...poison, deposited('mon', 2), deposited('tue', 4))
  fixture.start([written, { ...written, version: 2 }])
  await fixture.hasState('totals', 2, 'ready')
  const rows = [
    ['mon', 3n],
    ['tue', 4n],
  ]
  await until(async () => expect(await totalsIn('rm_totals_v1')).toEqual(rows))
  expect(await totalsIn('rm_totals_v2')).toEqual(rows)
})

test.for([
  ['rollback', 'would end it', CompiledQuery.raw('rollback')],
  ['set session', 'would outlive it', CompiledQuery.raw(`set session app.of = 'tue'`)],
] as const)(
  'a handler whose %s %s is refused, and its key set aside',
  async ([word, why, query]) => {
    const ending: SqlProjection = {
      ...totals,
      on: {
        Deposited: async (event, context) => {
          await totals.on['Deposited']?.(event, context)
          if (event.key === 'tue') await context.trx.executeQuery(query)
        },
      },
    }
    const amounts = [
      ['mon', 1],
      ['tue', 2],
      ['wed', 4],
    ] as const
    fixture.log.append(0, ...amounts.map(([day, amount]) => deposited(day, amount)))
    fixture.start([ending])
    await until(async () =>
      expect(await totalsIn('rm_totals_v1')).toEqual([
        ['mon', 1n],
        ['wed', 4n],
      ]),
    )
    const { rows } = await sql`select key, error_class, error_message from evt.dead_letter`.execute(
      fixture.db,
    )
    expect(rows).toEqual([
      {
        key: 'tue',
        error_class: 'TypeError',
        error_message: expect.stringContaining(`"${word}" ${why}`),
      },
    ])
  },
)
