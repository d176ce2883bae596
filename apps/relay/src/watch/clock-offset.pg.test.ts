import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import pg from 'pg'
import { RelayFixture } from '../testing/relay-fixture.ts'
import { measureClockOffset } from './clock-offset.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const HOUR_MS = 3_600_000

test('the offset of a clock that is an hour behind is an hour, within the bound of its error', async () => {
  fixture = new RelayFixture(await testDatabase())
  const client = new pg.Client({ connectionString: fixture.url })
  await client.connect()
  try {
    const here = await measureClockOffset(client)
    const behind = await measureClockOffset(client, () => Date.now() - HOUR_MS)
    const errorMs = here.errorMs + behind.errorMs
    expect(Math.abs(behind.offsetMs - here.offsetMs - HOUR_MS)).toBeLessThanOrEqual(errorMs)
    expect(here.errorMs).toBeGreaterThan(0)
  } finally {
    await client.end()
  }
})
