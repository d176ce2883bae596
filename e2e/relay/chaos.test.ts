import { setTimeout as delay } from 'node:timers/promises'
import type { IncomingRecord } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { ChaosWriters } from '../support/chaos-writers.ts'
import { committedNumbers, publishedNumbers } from '../support/numbered-writers.ts'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { waitFor } from '../support/wait-for.ts'

/** The long form: CHAOS_KILLS=200 CHAOS_EVENTS=100000. */
const KILLS = Number(process.env['CHAOS_KILLS'] ?? 16)
const EVENTS_MIN = Number(process.env['CHAOS_EVENTS'] ?? 2_000)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
const TOPIC = 'outbox.event.order'
const TRANSACTIONS_TOPIC = 'fairlead.transaction'
const PAUSE_MIN_MS = 100
const PAUSE_SPREAD_MS = 1_200
const BACK_DEADLINE_MS = 120_000
const CONFIRM_DEADLINE_MS = 600_000
/** After so many kills the relay must have come through before the next. */
const KILLS_IN_A_ROW = 5
const FAILPOINT_PASSES_MAX = 200
const FAILPOINTS = [
  'received',
  'queued',
  'sending',
  'stored',
  'acknowledged',
  'confirming',
  'confirmed',
] as const
/** Asked for often, so that keepalives come in the middle of transactions, too. */
const RELAY = { 'status.update.interval.ms': 100, 'provide.transaction.metadata': 'true' }

const KINDS = [
  'relay',
  'failpoint',
  'failpoint',
  'broker',
  'postgres SIGINT',
  'postgres SIGQUIT',
  'postgres SIGKILL',
  'walsender',
] as const

test(`nothing is lost, doubled or out of order, whatever is killed (CHAOS_SEED=${SEED})`, async () => {
  await using stack = await RelayStack.start()
  const random = seededRandom(SEED)
  const relays = new Relays(stack)
  await relays.active()
  const writers = new ChaosWriters(stack.pool, SEED)
  let deck: (typeof KINDS)[number][] = []
  let killCount = 0
  let killsInARow = 0
  while (killCount < KILLS || (await eventCount(stack)) < EVENTS_MIN) {
    // The moment of the kill is what is random here, so a delay is the point of the test.
    await delay(PAUSE_MIN_MS + random.int(PAUSE_SPREAD_MS))
    if (deck.length === 0) deck = random.shuffle(KINDS)
    const kind = deck.pop() ?? 'relay'
    if (kind === 'broker') {
      await stack.broker.kill()
      stack.broker.restart()
    } else if (kind === 'relay') {
      await relays.killOne(random.int(2))
    } else if (kind === 'failpoint') {
      await relays.killAt(`${random.pick(FAILPOINTS)}:${1 + random.int(FAILPOINT_PASSES_MAX)}`)
    } else if (kind === 'walsender') {
      await terminateWalsender(stack)
    } else if (!killPostgres(stack, kind.slice('postgres '.length))) {
      continue
    }
    killCount += 1 + relays.replaceDead()
    killsInARow += 1
    if (killsInARow < KILLS_IN_A_ROW) continue
    killsInARow = 0
    await comesThrough(stack, relays)
  }
  await comesThrough(stack, relays)
  await writers.stop()
  await stack.broker.ready()
  await relays.disarm()
  await stack.confirmed(CONFIRM_DEADLINE_MS)

  const records = await stack.records(TOPIC)
  const filtered = withoutDuplicates(records)
  const committed = await committedNumbers(stack.pool)
  process.stdout.write(
    `seed ${SEED}: ${killCount} kills, ${filtered.length} events, ${records.length - filtered.length} redelivered\n`,
  )
  const ids = new Set(filtered.map((record) => headerOf(record, 'id')))
  expect(ids.size).toBe(filtered.length)
  expect(filtered.length).toBeGreaterThanOrEqual(EVENTS_MIN)
  expect(publishedNumbers(filtered)).toEqual(committed)
  expectWholeTransactions(withoutDuplicates(await stack.records(TRANSACTIONS_TOPIC)), filtered)
  const parked = await stack.pool.query('select from relay.parked_event')
  expect(parked.rowCount).toBe(0)
}, 3_600_000)

/** Two relays on one slot; one that died, by a failpoint or otherwise, is followed by another. */
class Relays {
  readonly #stack: RelayStack
  #relays: RunningApp[]

  constructor(stack: RelayStack) {
    this.#stack = stack
    this.#relays = [stack.relay(RELAY), stack.relay(RELAY)]
  }

  async killOne(index: number): Promise<void> {
    await this.#relays[index]?.stop('SIGKILL')
    this.#relays[index] = this.#stack.relay(RELAY)
  }

  /** Both die, and the next two die at the failpoint. */
  async killAt(failpoint: string): Promise<void> {
    await Promise.all(this.#relays.map((relay) => relay.stop('SIGKILL')))
    const env = { FAIRLEAD_FAILPOINT: failpoint }
    this.#relays = this.#relays.map(() => this.#stack.relay(RELAY, env))
  }

  /** A failpoint that has not come yet would come while nobody looks after the dead. */
  async disarm(): Promise<void> {
    await this.killOne(0)
    await this.killOne(1)
  }

  /** How many had died. */
  replaceDead(): number {
    let count = 0
    this.#relays = this.#relays.map((relay) => {
      if (relay.isRunning) return relay
      count += 1
      return this.#stack.relay(RELAY)
    })
    return count
  }

  async active(): Promise<void> {
    await waitFor('a relay to stream', BACK_DEADLINE_MS, async () => {
      this.replaceDead()
      const states = await Promise.all(this.#relays.map((relay) => this.#stack.statusOf(relay)))
      const halted = states.find((status) => status?.state === 'halted')
      if (halted !== undefined) throw new Error(`a relay is halted: ${halted.reason}`)
      return states.some((status) => status?.state === 'streaming')
    })
  }
}

async function comesThrough(stack: RelayStack, relays: Relays): Promise<void> {
  await waitFor('Postgres to be back', BACK_DEADLINE_MS, () =>
    stack.pool.query('select').then(
      () => true,
      () => false,
    ),
  )
  await stack.broker.ready()
  const before = await eventCount(stack)
  await waitFor('events to arrive', BACK_DEADLINE_MS, async () => {
    await relays.active()
    return (await eventCount(stack)) > before
  })
}

/** False when it is dead from the kill before. */
function killPostgres(stack: RelayStack, signal: string): boolean {
  const { pid } = stack.postgres
  if (pid === undefined) return false
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

async function terminateWalsender(stack: RelayStack): Promise<void> {
  await stack.pool
    .query(
      `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'`,
    )
    .catch(() => undefined)
}

/** -1 while the broker does not answer. */
function eventCount(stack: RelayStack): Promise<number> {
  return stack.recordCount(TOPIC).catch(() => -1)
}

/** As any reader can: by where the event stands in the log of its source. */
function withoutDuplicates(records: readonly IncomingRecord[]): readonly IncomingRecord[] {
  const seen = new Set<string>()
  return records.filter((record) => {
    const position = ['cdc.source', 'cdc.lsn', 'cdc.seq']
      .map((name) => headerOf(record, name))
      .join(' ')
    return !seen.has(position) && seen.add(position)
  })
}

/** Each transaction begins and ends once, and its end counts its events. */
function expectWholeTransactions(
  markers: readonly IncomingRecord[],
  events: readonly IncomingRecord[],
): void {
  const told = markers
    .map(({ value }) => JSON.parse(Buffer.from(value ?? []).toString()) as Marker)
    .map(({ status, id, event_count: count }) => ({ status, id, count }))
  const begun = told.filter(({ status }) => status === 'BEGIN').map(({ id }) => id)
  const counts = new Map(
    told.flatMap(({ status, id, count }) => (status === 'END' ? [[id, count]] : [])),
  )
  expect(told.length).toBe(2 * begun.length)
  expect(new Set(begun)).toEqual(new Set(counts.keys()))
  const places = Map.groupBy(events, (event) => headerOf(event, 'cdc.transaction.id'))
  for (const [id, count] of counts) {
    const found = places.get(id)?.map((event) => headerOf(event, 'cdc.transaction.total_order'))
    expect(new Set(found)).toEqual(
      new Set(Array.from({ length: count ?? 0 }, (_, index) => `${index + 1}`)),
    )
    expect(found?.length ?? 0).toBe(count)
  }
  expect([...places.keys()].filter((id) => !counts.has(id ?? ''))).toEqual([])
}

type Marker = {
  readonly status: 'BEGIN' | 'END'
  readonly id: string
  readonly event_count: number | null
}
