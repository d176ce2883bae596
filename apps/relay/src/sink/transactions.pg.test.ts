import { KafkaError } from '@fairlead/kafka'
import { testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

beforeEach(async () => {
  fixture = new RelayFixture(await testDatabase(), {
    'max.batch.size': '10',
    delivery: 'transactional',
  })
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

/** Publishes events, and confirms the last of them neither to the relay nor to the slot. */
async function publishedUnconfirmed(): Promise<readonly string[]> {
  await fixture.started()
  const before = await fixture.insert(Array.from({ length: 12 }, () => ({})))
  await fixture.confirmed()
  // The answer is lost, so that the slot does not learn of it either.
  fixture.brokers.afterSend = () => {
    fixture.brokers.afterSend = () => undefined
    fixture.brokers.losePosition()
    throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  return [...before, ...(await fixture.insert(Array.from({ length: 8 }, () => ({}))))]
}

async function order(): Promise<string> {
  const { rows } = await fixture.pool.query<{ id: string }>(
    `select relay.signal($1, 'reset-position', '{}')::text as id`,
    [fixture.slotName],
  )
  return rows[0]?.id ?? ''
}

async function outcomeOf(signalId: string): Promise<string> {
  let outcome = ''
  await fixture.until(async () => {
    const { rows } = await fixture.pool.query<{ state: string; reason: string | null }>(
      `select state, reason from relay.signal where signal_id = $1 and finished_at is not null`,
      [signalId],
    )
    outcome = rows.map(({ state, reason }) => `${state} ${reason ?? ''}`.trim()).join()
    return outcome !== ''
  })
  return outcome
}

test('F31: a position that is lost halts the relay until an operator accepts duplicates, and then the topics tell', async () => {
  const ids = await publishedUnconfirmed()
  const relay = fixture.relays[0]
  await fixture.until(() => relay?.status.state === 'halted')
  expect(relay?.status.reason).toMatch(
    /does not have the position of slot .*fairlead relay reset-position --accept-duplicates/,
  )
  await relay?.stop()

  const signalId = await order()
  await fixture.started()
  expect(await outcomeOf(signalId)).toBe('done')
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)

  // It has a position again, which is not lost.
  const [after] = await fixture.insert([{}])
  await fixture.confirmed()
  expect(await outcomeOf(await order())).toBe('failed the position is not lost')
  await fixture.relays[1]?.stop()
  await fixture.started()
  expect(fixture.publishedIds()).toEqual([...ids, after])
})

test('F31: a position in another topic halts the relay, too', async () => {
  const relay = await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  await relay.stop()
  const other = fixture.relay({ 'offset.storage.topic': 'elsewhere' })
  other.start()
  await fixture.until(() => other.status.state === 'halted')
  expect(other.status.reason).toContain(`is in topic relay.${fixture.slotName}.positions`)
})

test('a position from before another delivery is not believed', async () => {
  const transactional = await fixture.started()
  const ids = [...(await fixture.insert([{}, {}]))]
  await fixture.confirmed()
  await transactional.stop()

  fixture.brokers.isTransactional = false
  fixture.brokers.afterSend = () => {
    fixture.brokers.afterSend = () => undefined
    throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  const idempotent = fixture.relay({ delivery: 'idempotent' })
  idempotent.start()
  ids.push(...(await fixture.insert([{}, {}])))
  await fixture.until(() => fixture.publishedIds().length === ids.length)
  await idempotent.stop()

  fixture.brokers.isTransactional = true
  await fixture.started()
  ids.push(...(await fixture.insert([{}])))
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
})
