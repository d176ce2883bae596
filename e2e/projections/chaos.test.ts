import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { type AccountRow, foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

/** The long form: CHAOS_KILLS=100. */
const KILLS = Number(process.env['CHAOS_KILLS'] ?? 8)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
const EVENTS_PER_SECOND = Number(process.env['CHAOS_EVENTS_PER_SECOND'] ?? 1_000)
const PARTITIONS = 4
const PROJECTORS = 3
const ACCOUNTS = 500
/** Fewer than what counts as a flood. */
const POISONED_ACCOUNTS = 5
const TICK_MS = 100
const PAUSE_MIN_MS = 300
const PAUSE_SPREAD_MS = 2_500
const SETTLE_DEADLINE_MS = 180_000

/** What is parked fails again, in the middle of all this. */
const RETRIES = {
  'parked.key.retries.max': 1_000,
  'parked.key.retry.backoff.ms': 300,
  'parked.key.retry.backoff.max.ms': 1_000,
}

const VICTIMS = ['projector', 'projector', 'projector', 'broker', 'postgres'] as const

test(`rows and letters are those of one thread, whatever is killed (CHAOS_SEED=${SEED})`, async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions: PARTITIONS,
  })
  const random = seededRandom(SEED)
  const projectors = Array.from({ length: PROJECTORS }, () => stack.projector(RETRIES))
  await stack.publish(AccountEvents.Deposited({ accountId: 'account-0', amount: 1 }))
  await stack.caughtUp('accounts')

  const writer = new Writer(stack, SEED)
  let deck: (typeof VICTIMS)[number][] = []
  for (let kills = 0; kills < KILLS; kills += 1) {
    // The moment of the kill is what is random here, so a delay is the point of the test.
    await delay(PAUSE_MIN_MS + random.int(PAUSE_SPREAD_MS))
    if (deck.length === 0) deck = random.shuffle(VICTIMS)
    await kill(deck.pop() ?? 'projector', { stack, projectors, random })
  }
  await writer.stop()
  await stack.broker.ready()
  await Promise.all(projectors.map((projector) => projector.ready()))
  await stack.caughtUp('accounts', { deadlineMs: SETTLE_DEADLINE_MS })

  const expected = await foldAccounts(stack)
  const rows = await readAccounts(stack)
  const eventCount = rows.reduce((sum, { events }) => sum + events, 0)
  process.stdout.write(
    `seed ${SEED}: ${KILLS} kills, ${eventCount} events applied, ${expected.letters.size} letters, rows ${hashOf(rows)}\n`,
  )
  expect(eventCount).toBeGreaterThan(ACCOUNTS)
  expect(await readLetters(stack)).toEqual(expected.letters)
  expect(new Set(expected.letters.values())).toEqual(new Set(['failed', 'blocked']))
  // Of the rows that differ, the first says more than a hash.
  expect(rows.find((row, index) => !isSame(row, expected.rows[index]))).toBeUndefined()
  expect(hashOf(rows)).toBe(hashOf(expected.rows))
}, 3_600_000)

async function kill(
  victim: (typeof VICTIMS)[number],
  target: {
    readonly stack: ProjectionStack
    readonly projectors: RunningApp[]
    readonly random: SeededRandom
  },
): Promise<void> {
  const { stack, projectors, random } = target
  switch (victim) {
    case 'projector': {
      const index = random.int(projectors.length)
      await projectors[index]?.stop('SIGKILL')
      projectors[index] = stack.projector(RETRIES)
      return
    }
    case 'broker':
      await stack.broker.kill()
      stack.broker.restart()
      return
    case 'postgres':
      // The server is started again by itself.
      if (stack.postgres.pid !== undefined) process.kill(stack.postgres.pid, 'SIGKILL')
  }
}

/** Deposits at a steady rate. What a broker that died has stored of them, the log tells. */
class Writer {
  readonly #stack: ProjectionStack
  readonly #random: SeededRandom
  readonly #stopped: Promise<void>
  #isStopping = false

  constructor(stack: ProjectionStack, seed: number) {
    this.#stack = stack
    this.#random = seededRandom(seed + 1)
    this.#stopped = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#stopped
  }

  async #run(): Promise<void> {
    let dueMs = performance.now()
    while (!this.#isStopping) {
      const count = (EVENTS_PER_SECOND * TICK_MS) / 1_000
      await this.#stack
        .publish(...Array.from({ length: count }, () => this.#deposit()))
        .catch(() => undefined)
      dueMs = Math.max(dueMs + TICK_MS, performance.now() - TICK_MS)
      await delay(Math.max(0, dueMs - performance.now()))
    }
  }

  #deposit() {
    const index = this.#random.int(ACCOUNTS)
    const isPoison = index < POISONED_ACCOUNTS && this.#random.int(4) === 0
    const amount = isPoison ? 0 : 1 + this.#random.int(1_000)
    return AccountEvents.Deposited({ accountId: `account-${index}`, amount })
  }
}

function isSame(row: AccountRow, other: AccountRow | undefined): boolean {
  return textOf(row) === (other === undefined ? '' : textOf(other))
}

function hashOf(rows: readonly AccountRow[]): string {
  return createHash('sha256').update(rows.map(textOf).join('\n')).digest('hex')
}

function textOf({ id, events, balance, trail }: AccountRow): string {
  return `${id} ${events} ${balance} ${trail}`
}
