import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dryRun } from './letters/dry-run.ts'
import { RecordReader } from './log/prepare-records.ts'
import { findVersion, requestReplay } from './store/letter-orders.ts'
import { readLettersOf, readParkedKeys } from './store/letter-queue.ts'
import { registerTenants } from './store/tenant-schemas.ts'
import { JsonSerde } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, TOPIC, until } from './testing/one-topic.test-fixture.ts'
import {
  WITH_TENANTS,
  apart,
  of,
  readBalances,
  readRelations,
} from './testing/tenants.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

const balancesIn = (schema: string) => readBalances(fixture.db, schema)
const relationsIn = (pattern: string) => readRelations(fixture.db, pattern)

const hasCome = (offset: number) =>
  until(async () => expect(await fixture.nextOffset()).toBe(offset))

describe('tenants that nobody registered', () => {
  test('have their keys parked, and the letters replayed once they are', async () => {
    fixture.log.append(0, of('acme', 1, 5), of('acme', 1, 6))
    const tenants = { unknownTenants: 'park' as const }
    fixture.start([apart], { ...WITH_TENANTS, tenants })
    await hasCome(2)
    expect(await relationsIn('tenant%')).toEqual([])
    expect(await fixture.letters()).toMatchObject([
      { offset: 0, kind: 'failed', error: 'UnknownTenantError' },
      { offset: 1, kind: 'blocked' },
    ])
    const version = await findVersion(fixture.db, 'accounts', undefined)
    const ana = { actor: 'ana', reason: 'acme has signed' }
    await registerTenants(fixture.db, ['acme'])
    await requestReplay(fixture.db, version, { by: 'tenant', tenant: 'acme' }, ana)
    await until(async () => expect(await fixture.letters()).toEqual([]))
    expect(await balancesIn('tenant_acme')).toEqual([11])
  })

  test.for([
    { does: 'skips them', errors: { classify: () => 'skip' as const } },
    { does: 'stops', errors: { classify: () => 'stop' as const } },
    { does: 'tries again', errors: { retry: { retries: 5, baseMs: 3_600_000, maxMs: 3_600_000 } } },
  ])('are parked by a projection that $does when its handlers fail', async ({ errors }) => {
    fixture.log.append(0, of('acme', 1, 5), of('globex', 1, 5))
    const tenants = { unknownTenants: 'park' as const }
    fixture.start([{ ...apart, ...errors }], { ...WITH_TENANTS, tenants })
    await hasCome(2)
    expect(await fixture.letters()).toMatchObject(
      [0, 1].map((offset) => ({ offset, error: 'UnknownTenantError' })),
    )
  })

  test('hold up nobody however many they are', async () => {
    fixture.log.append(0, of('acme', 1, 5))
    fixture.start([apart], { ...WITH_TENANTS, tenants: { tenantsMax: 1 } })
    await hasCome(1)
    // Their names have digits, so that the causes of all of them are one.
    fixture.log.append(0, ...Array.from({ length: 30 }, () => of(randomUUID(), 1, 5)))
    fixture.log.append(0, of('acme', 1, 6))
    await hasCome(32)
    expect(await balancesIn('tenant_acme')).toEqual([11])
    expect(await fixture.letters()).toHaveLength(30)
  })

  test('wait for nobody who makes tables, unless they may get some', async () => {
    fixture.log.append(0, of('acme', 1, 5), of('globex', 1, 5))
    fixture.start([apart], { ...WITH_TENANTS, tenants: { tenantsMax: 1 } })
    await hasCome(2)
    await whileTablesAreMade(async () => {
      fixture.log.append(0, of('globex', 1, 1), of('globex', 2, 1), of('acme', 1, 1))
      await hasCome(5)
    })
    await fixture.stopAll()
    await whileTablesAreMade(async () => {
      fixture.start([apart], { ...WITH_TENANTS, tenants: { unknownTenants: 'park' } })
      fixture.log.append(0, of('initech', 1, 1), of('acme', 1, 1))
      await hasCome(7)
    })
    await fixture.stopAll()
    await whileTablesAreMade(async () => {
      fixture.start([apart], { ...WITH_TENANTS, tenants: { tenantsMax: 5 } })
      fixture.log.append(0, of('globex', 1, 1), of('acme', 1, 1))
      await hasCome(9)
    })
    expect(await balancesIn('tenant_acme')).toEqual([8])
  })

  test('are tried in a dry run that gives up where others make tables', async () => {
    const options = { ...WITH_TENANTS, tenants: { unknownTenants: 'park' as const } }
    fixture.log.append(0, of('acme', 1, 5))
    const { projector } = fixture.start([apart], options)
    await hasCome(1)
    await registerTenants(fixture.db, ['acme'])
    const [registered] = projector.registered
    if (registered === undefined) throw new Error('the projection is registered')
    const { keys } = await readParkedKeys(fixture.db, { ...registered, topic: TOPIC }, sql`true`)
    const queue = await readLettersOf(
      fixture.db,
      { ...registered, topic: TOPIC },
      keys.map((key) => ({ ...key, lettersLeft: null })),
    )
    const reader = new RecordReader(apart, new JsonSerde(), {
      nowMs: Date.now,
      aheadMaxMs: 60_000,
      tenantHeader: 'tenant',
    })
    await whileTablesAreMade(async () => {
      const { signal } = new AbortController()
      const run = dryRun(fixture.db, { ...registered, topic: TOPIC }, { reader, queue, signal })
      await expect(run).rejects.toMatchObject({ code: '55P03' })
    })
  })

  /** Somebody else makes tables of tenants all the while. */
  async function whileTablesAreMade(run: () => Promise<void>): Promise<void> {
    await fixture.db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtextextended('fairlead tenants', 0))`.execute(trx)
      await run()
    })
  }
})

test('of more tenants than are allowed, the keys of the last ones are parked', async () => {
  fixture.log.append(0, ...['a', 'b', 'c', 'd'].map((tenant) => of(tenant, 1, 5)))
  fixture.start([apart], { ...WITH_TENANTS, tenants: { tenantsMax: 3 } })
  await hasCome(4)
  fixture.log.append(0, of('d', 2, 1), of('a', 1, 1), of('e', 1, 1))
  await hasCome(7)
  expect(await relationsIn('tenant%')).toEqual(
    ['a', 'b', 'c'].map((each) => `tenant_${each}.account`),
  )
  expect(await balancesIn('tenant_a')).toEqual([6])
  const parked = [3, 4, 6].map((offset) => ({ offset, error: 'UnknownTenantError' }))
  expect(await fixture.letters()).toMatchObject(parked)
})
