import { getEventListeners } from 'node:events'
import { setTimeout as elapsed } from 'node:timers/promises'
import { CutOffProxy, testDatabase } from '@fairlead/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { LiveCatalog } from './source/live-catalog.ts'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase())
}

test('a database that is gone without a word holds up no more than one session', async () => {
  fixture = await createFixture()
  const proxy = await CutOffProxy.inFrontOf(fixture.url)
  const relay = await fixture.started({ 'database.url': proxy.url })
  await fixture.insert([{}])
  await fixture.confirmed()
  proxy.hold()
  // Its insert into relay.parked_event waits for an answer.
  await fixture.insert([{ type: 'no topic' }])
  await fixture.until(() => relay.status.state !== 'streaming')
  proxy.release()
  await fixture.until(() => relay.status.state === 'streaming')
  await fixture.until(async () => (await fixture.parkedRows()).length === 1)
  await relay.stop()
  await proxy.close()
})

test('a relay that tries again and again keeps nothing of each pause', async () => {
  fixture = await createFixture()
  const listening = vi.spyOn(EventTarget.prototype, 'addEventListener')
  fixture.relay({ 'database.url': 'postgres://127.0.0.1:1/nowhere' }).start()
  const busiest = () => {
    const signals = listening.mock.contexts.filter((target) => target instanceof AbortSignal)
    return signals.find((one) => signals.filter((other) => other === one).length > 3)
  }
  await fixture.until(() => busiest() !== undefined)
  expect(getEventListeners(busiest() ?? new EventTarget(), 'abort').length).toBeLessThan(2)
  listening.mockRestore()
})

test('the log announces many tables at once, and a slow catalog is asked for each: the session goes on', async () => {
  const tables = Array.from({ length: 6 }, (_, index) => `part_${index}`)
  fixture = new RelayFixture(await testDatabase(), {
    'capture.table.include.list': String.raw`public\..*`,
    'topic.prefix': 'shop',
    'snapshot.mode': 'no_data',
  })
  const created = tables.map((table) => `create table ${table} (id int primary key)`)
  await fixture.pool.query(created.join(';'))
  await fixture.started()
  // As long as a session waits for one of them, all of them together.
  const refreshing = vi
    .spyOn(LiveCatalog.prototype, 'refresh')
    .mockImplementation(() => elapsed(1_000))
  await fixture.pool.query(tables.map((table) => `insert into ${table} values (1)`).join(';'))
  await fixture.until(() => fixture.brokers.records('shop.public.part_5').length > 0)
  expect(refreshing).toHaveBeenCalledTimes(tables.length)
  expect(fixture.loggedWarnings).toEqual([])
  refreshing.mockRestore()
})
