import { KafkaError } from '@fairlead/kafka'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture, UNHURRIED } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

const TOPIC = 'outbox.event.order'

test('nothing is lost or published twice when connections, sends and relays fail at random', async () => {
  fixture = await createFixture()
  let failNext = false
  fixture.brokers.storedShare = () => Math.random()
  fixture.brokers.beforeSend = () => {
    if (!failNext) return
    failNext = false
    throw new KafkaError('the fate is unknown', { code: 'NETWORK', retryable: false })
  }
  let relay = await fixture.started()
  const inserted: string[] = []
  const finished = new AbortController()
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let round = 0; !finished.signal.aborted; round += 1) {
      const key = `${writer}-${round % 5}`
      inserted.push(...(await fixture.insert([{ key }, { key }, { key }])))
    }
  })
  for (let fault = 0; fault < 12; fault += 1) {
    const before = fixture.publishedIds().length
    await fixture.until(() => fixture.publishedIds().length > before + 20)
    if (fault % 3 === 0) failNext = true
    else if (fault % 3 === 1) await terminateRelay()
    else {
      await relay.stop()
      relay = await fixture.started()
    }
  }
  finished.abort()
  await Promise.all(writers)
  await fixture.confirmed()
  const published = fixture.publishedIds()
  expect(published.length).toBe(inserted.length)
  expect(new Set(published)).toEqual(new Set(inserted))
  expect(positionsFall()).toEqual([])
  expect(fixture.fatal).toEqual([])
})

test('a topic of another source, with higher positions, hides nothing', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const { producer, admin } = fixture.brokers.open()
  await admin.ensureTopic({ topic: TOPIC, partitions: 1 })
  const header = (name: string, text: string) => [name, new TextEncoder().encode(text)] as const
  await producer.send([
    {
      topic: TOPIC,
      partition: 0,
      key: null,
      value: null,
      headers: [
        header('cdc.source', 'another/slot'),
        header('cdc.lsn', 'FFFFFFFF/0'),
        header('cdc.seq', '0'),
      ],
    },
  ])
  await fixture.started()
  const ids = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds().at(-1)).toBe(ids[0])
})

test('rows of one COPY, which share an LSN, are published once each across a restart', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1', 'max.batch.size': '7' })
  const relay = await fixture.started(UNHURRIED)
  let sends = 0
  fixture.brokers.beforeSend = () => {
    sends += 1
    if (sends === 4)
      throw new KafkaError('the fate is unknown', { code: 'NETWORK', retryable: true })
  }
  fixture.brokers.storedShare = () => 0.5
  await fixture.pool.query(`copy outbox.events (id, aggregatetype, aggregateid, type, created_at)
    from program $$seq -f '00000000-0000-0000-0000-%012.0f,order,k,Tested,2026-01-01' 0 99$$
    with (format csv)`)
  await fixture.until(() => fixture.publishedIds().length >= 100)
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(
    Array.from({ length: 100 }, (_, n) => `00000000-0000-0000-0000-${`${n}`.padStart(12, '0')}`),
  )
  expect(relay.status).toMatchObject({ state: 'streaming', pendingEvents: 0 })
})

test('an event that a broker refused and nobody parked is not taken for published', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const relay = await fixture.started(UNHURRIED)
  let isFirst = true
  fixture.brokers.rejects = ({ key }) => {
    if (Buffer.from(key ?? []).toString() !== 'refused' || !isFirst) return false
    isFirst = false
    // The relay dies between the answer of the broker and the parking.
    void relay.stop()
    return true
  }
  fixture.brokers.afterSend = () => {
    if (isFirst) return
    fixture.brokers.afterSend = () => undefined
    throw new KafkaError('the answer is lost', { code: 'NETWORK', retryable: true })
  }
  // What comes in while a send waits is one batch, however Postgres cut it on the socket.
  fixture.brokers.isStuck = true
  const [earlier] = await fixture.insert([{ key: 'earlier' }])
  await fixture.until(() => relay.status.pendingEvents === 1)
  const [refused, other] = await fixture.insert([{ key: 'refused' }, { key: 'other' }])
  await fixture.until(() => relay.status.pendingEvents === 3)
  fixture.brokers.unstick()
  await fixture.until(() => relay.status.state === 'stopped')
  expect(fixture.publishedIds()).toEqual([earlier, other])
  await fixture.started()
  await fixture.until(() => fixture.publishedIds().length === 3)
  expect(fixture.publishedIds()).toEqual([earlier, other, refused])
})

test('a key that moves to another partition with their number is still recognised', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const relay = await fixture.started()
  fixture.brokers.afterSend = () => {
    fixture.brokers.afterSend = () => undefined
    fixture.brokers.addPartitions(TOPIC, 7)
    throw new KafkaError('the answer is lost', { code: 'NETWORK', retryable: true })
  }
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  const ids = await fixture.insert(keys.map((key) => ({ key })))
  await fixture.confirmed()
  expect([...fixture.publishedIds()].sort()).toEqual([...ids].sort())
  expect(relay.status.state).toBe('streaming')
})

async function terminateRelay(): Promise<void> {
  await fixture.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'fairlead-relay-' || $1`,
    [fixture.slotName],
  )
}

/** Records that stand behind one of a later position in their partition. */
function positionsFall(): readonly string[] {
  const position = (texts: ReadonlyMap<string, string>) => {
    const [high, low] = (texts.get('cdc.lsn') ?? '').split('/')
    return `${high?.padStart(8, '0')}${low?.padStart(8, '0')}${texts.get('cdc.seq')?.padStart(9, '0')}`
  }
  return [0, 1, 2, 3].flatMap((partition) => {
    const all = fixture.brokers.partition(TOPIC, partition).map((r) => position(r.headerTexts))
    return all.filter((current, index) => current <= (all[index - 1] ?? ''))
  })
}
