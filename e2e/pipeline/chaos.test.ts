import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  type TopicEvent,
  committedEvents,
  deadLetters,
  foldTopic,
  isCaughtUp,
  query,
  readModel,
  topicEvents,
} from '../support/oracle.ts'
import { PARTS, RunningPlatform } from '../support/platform.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { waitFor } from '../support/wait-for.ts'

/** Each part dies once in every round, at a random moment, in a random order. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 60)
const ORDERS_PER_SECOND = Number(process.env['CHAOS_ORDERS_PER_SECOND'] ?? 200)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
const PAUSE_MIN_MS = 500
const PAUSE_SPREAD_MS = 4_000
const SETTLE_DEADLINE_MS = 300_000
const EVENTS_MIN = 1_000

test(`nothing is lost, doubled or out of order, whatever is killed (CHAOS_SEED=${SEED})`, async () => {
  await using platform = await RunningPlatform.start(['--rate', String(ORDERS_PER_SECOND)])
  const { endpoints } = platform

  const kills = await killAtRandom(platform)
  await waitFor('enough events, and poison among them', SETTLE_DEADLINE_MS, async () => {
    const letters = await deadLetters(endpoints).catch(() => [])
    const events = await committedEvents(endpoints).catch(() => [])
    return letters.some(({ kind }) => kind === 'failed') && events.length > EVENTS_MIN
  })
  await stopTraffic(platform)
  const committed = await committedEvents(endpoints)
  expect(kills).toBeGreaterThan(PARTS.length)
  expect(committed.length).toBeGreaterThan(EVENTS_MIN)
  await waitFor('the projections to reach the end', SETTLE_DEADLINE_MS, () =>
    isCaughtUp(endpoints, committed.length),
  )

  const onTopic = await topicEvents(endpoints)
  expect(eventsByKey(onTopic)).toEqual(
    eventsByKey(committed.map(({ id, aggregateid }) => ({ id, key: aggregateid }))),
  )

  const expected = foldTopic(onTopic)
  expect(await readModel(endpoints)).toEqual(expected.rows)
  const letters = await deadLetters(endpoints)
  expect(new Map(letters.map(({ at, kind }) => [at, kind]))).toEqual(expected.deadLetters)
  const failed = letters.filter(({ kind }) => kind === 'failed')
  expect(failed.length).toBeGreaterThan(0)
  for (const { reason } of failed) expect(reason).toMatch(/quantity -\d+ is not positive/)
}, 1_800_000)

/** Kills one part after the other for `SECONDS`; resolves with the number of kills. */
async function killAtRandom(platform: RunningPlatform): Promise<number> {
  const random = seededRandom(SEED)
  const deadlineMs = performance.now() + SECONDS * 1_000
  let kills = 0
  while (performance.now() < deadlineMs) {
    for (const part of random.shuffle(PARTS)) {
      // The moment of the kill is what is random here, so a delay is the point of the test.
      await delay(PAUSE_MIN_MS + random.int(PAUSE_SPREAD_MS))
      await platform.killPart(part)
      kills += 1
    }
  }
  return kills
}

/** Ends the traffic, and waits until every part is back from its last death. */
async function stopTraffic({ endpoints }: RunningPlatform): Promise<void> {
  await waitFor('the shop to stop its traffic', 60_000, async () => {
    const response = await fetch(`${endpoints.shop}/traffic`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ordersPerSecond: 0 }),
    }).catch(() => undefined)
    return response?.ok === true
  })
  const { broker, registry, relay, projector, shop } = endpoints
  for (const url of [broker, registry, relay, projector, shop]) {
    await waitFor(`${url} to be ready`, SETTLE_DEADLINE_MS, async () => {
      const response = await fetch(`${url}/readyz`).catch(() => undefined)
      return response?.ok === true
    })
  }
  let previous = -1
  await waitFor('the last transactions to end', 60_000, async () => {
    const busy = await query(
      endpoints,
      `select from pg_stat_activity where application_name = 'shop' and state <> 'idle'`,
    )
    const count = (await committedEvents(endpoints)).length
    const isStill = busy.length === 0 && count === previous && count > 0
    previous = count
    return isStill
  })
}

function eventsByKey(
  events: readonly Pick<TopicEvent, 'id' | 'key'>[],
): ReadonlyMap<string, readonly string[]> {
  const byKey = new Map<string, string[]>()
  for (const { id, key } of events) byKey.set(key, [...(byKey.get(key) ?? []), id])
  return byKey
}
