import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture } from '../testing/relay-fixture.ts'
import { PublishedUntil } from './published-until.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

test('the time up to which everything is published moves only with what the slot has confirmed', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  await fixture.confirmed()
  const client = new pg.Client({ connectionString: fixture.url })
  await client.connect()
  const mark = new PublishedUntil(client, fixture.slotName)
  const stored = async () => {
    const { rows } = await client.query<{ until: Date | null }>(
      'select published_until as until from relay.slot where slot_name = $1',
      [fixture.slotName],
    )
    return rows[0]?.until ?? null
  }
  await relay.stop()
  await client.query('update relay.slot set published_until = null')
  await fixture.insert([{}])
  await mark.tick()
  await mark.tick()
  expect(await stored()).toBeNull()
  const startedMs = Date.now()
  await fixture.started()
  await fixture.confirmed()
  await mark.tick()
  const until = await stored()
  expect(until?.getTime()).toBeLessThanOrEqual(startedMs)
  await client.end()
})
