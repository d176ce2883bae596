import { KafkaError } from '@fairlead/kafka'
import { testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

beforeEach(async () => {
  fixture = new RelayFixture(await testDatabase(), { 'max.batch.size': '10' })
  fixture.brokers.isTransactional = true
})

afterEach(() => fixture.close())

test('a refused event is parked with its followers, and the rest of its batch is committed without it', async () => {
  fixture.brokers.rejects = ({ value }) => value?.length === 13
  await fixture.started()
  const events = [{ key: 'a' }, { key: 'b', bytes: 13 }, { key: 'b' }, { key: 'c' }]
  const [a, , , c] = await fixture.insert(events)
  await fixture.confirmed()
  expect(new Set(fixture.publishedIds())).toEqual(new Set([a, c]))
  expect(fixture.publishedIds().length).toBe(2)
  const { rows } = await fixture.pool.query<{ reason_code: string }>(
    'select reason_code from relay.parked_event order by commit_index',
  )
  expect(rows.map(({ reason_code: code }) => code)).toEqual(['INVALID_RECORD', 'BLOCKED'])
})

test('what was committed is left out by its position when Postgres sends it again', async () => {
  let sends = 0
  // Committed, and the answer is lost: the session ends, and the next one is sent all of it again.
  fixture.brokers.afterSend = () => {
    sends += 1
    if (sends % 3 === 2) throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  await fixture.started()
  const ids: string[] = []
  for (let round = 0; round < 6; round += 1) {
    ids.push(...(await fixture.insert(Array.from({ length: 12 }, () => ({})))))
  }
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
  expect(sends).toBeGreaterThan(6)
})

test('F31: where the position is lost the topics tell what is published', async () => {
  // The answer is lost, so that the slot does not learn of it either.
  fixture.brokers.afterSend = () => {
    fixture.brokers.afterSend = () => undefined
    fixture.brokers.losePosition()
    throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  await fixture.started()
  const ids = await fixture.insert(Array.from({ length: 12 }, () => ({})))
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
})
