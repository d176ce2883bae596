import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ProjectionStack, type RawRecord } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { type AccountRow, foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'
import { FORMS, type Form, foldForms } from './form-oracle.ts'

/** The long form: CHAOS_KILLS=100. */
const KILLS = Number(process.env['CHAOS_KILLS'] ?? 8)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
const EVENTS_PER_SECOND = Number(process.env['CHAOS_EVENTS_PER_SECOND'] ?? 1_000)
const PARTITIONS = 4
const PROJECTORS = 3
const ACCOUNTS = 500
const BRANCHES = 7
const TENANTS = ['acme', 'globex', 'initech']
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
  await using stack = await start('accounts.ts')
  await survive(stack, ['accounts'], {
    killCount: KILLS,
    eventsPerSecond: EVENTS_PER_SECOND,
    accountCount: ACCOUNTS,
  })

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

test(`so are those of every form, of several tenants (CHAOS_SEED=${SEED})`, async () => {
  await using stack = await start('all-forms.ts')
  await survive(stack, Object.keys(FORMS), {
    killCount: Math.ceil(KILLS / 2),
    eventsPerSecond: EVENTS_PER_SECOND / 2,
    // With all tenants, as many in all.
    accountCount: Math.ceil(ACCOUNTS / TENANTS.length),
    config: { 'tenant.header': 'tenant' },
    tenants: TENANTS,
  })

  const { letters, ...expected } = await foldForms(stack)
  process.stdout.write(`seed ${SEED}: ${expected.trail_by_sql.length} rows by tenant and account\n`)
  expect(expected.trail_by_sql.length).toBeGreaterThan(ACCOUNTS / 2)
  expect(new Set(letters.values())).toEqual(new Set(['failed', 'blocked']))
  for (const [form, read] of Object.entries(FORMS)) {
    expect([form, await readLetters(stack, form)]).toEqual([form, letters])
    const rows = await read(stack)
    const differing = rows.findIndex((row, index) => row !== expected[form as Form][index])
    expect([form, rows[differing]]).toEqual([form, expected[form as Form][differing]])
    expect(rows).toHaveLength(expected[form as Form].length)
  }
}, 3_600_000)

function start(projections: string): Promise<ProjectionStack> {
  return ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, projections),
    partitions: PARTITIONS,
  })
}

type Trial = {
  readonly killCount: number
  readonly eventsPerSecond: number
  readonly accountCount: number
  readonly config?: Readonly<Record<string, string>>
  /** Whose deposits they are, in no order; without them they are nobody's. */
  readonly tenants?: readonly string[]
}

/** Kills one after the other under a steady load, and waits until everything has come through. */
async function survive(
  stack: ProjectionStack,
  projections: readonly string[],
  trial: Trial,
): Promise<void> {
  const random = seededRandom(SEED)
  const launch = () => stack.projector({ ...RETRIES, ...trial.config })
  const projectors = Array.from({ length: PROJECTORS }, launch)
  const caughtUp = (deadlineMs: number) =>
    Promise.all(projections.map((projection) => stack.caughtUp(projection, { deadlineMs })))
  const writer = new Writer(stack, SEED, trial)
  await writer.publish(1)
  await caughtUp(SETTLE_DEADLINE_MS)

  writer.start()
  let deck: (typeof VICTIMS)[number][] = []
  for (let kills = 0; kills < trial.killCount; kills += 1) {
    // The moment of the kill is what is random here, so a delay is the point of the test.
    await delay(PAUSE_MIN_MS + random.int(PAUSE_SPREAD_MS))
    if (deck.length === 0) deck = random.shuffle(VICTIMS)
    await kill(deck.pop() ?? 'projector', { stack, projectors, launch, random })
  }
  await writer.stop()
  await stack.broker.ready()
  await Promise.all(projectors.map((projector) => projector.ready()))
  await caughtUp(SETTLE_DEADLINE_MS)
}

async function kill(
  victim: (typeof VICTIMS)[number],
  target: {
    readonly stack: ProjectionStack
    readonly projectors: RunningApp[]
    readonly launch: () => RunningApp
    readonly random: SeededRandom
  },
): Promise<void> {
  const { stack, projectors, launch, random } = target
  switch (victim) {
    case 'projector': {
      const index = random.int(projectors.length)
      await projectors[index]?.stop('SIGKILL')
      projectors[index] = launch()
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
  readonly #trial: Trial
  #writing: Promise<void> = Promise.resolve()
  #isStopping = false

  constructor(stack: ProjectionStack, seed: number, trial: Trial) {
    this.#stack = stack
    this.#random = seededRandom(seed + 1)
    this.#trial = trial
  }

  start(): void {
    this.#writing = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#writing
  }

  async publish(count: number): Promise<void> {
    const events = Array.from({ length: count }, () => this.#deposit())
    const records = await this.#stack.encode(...events)
    await this.#stack.publishRaw(...records.map((record) => this.#ofTenant(record)))
  }

  async #run(): Promise<void> {
    let dueMs = performance.now()
    while (!this.#isStopping) {
      await this.publish((this.#trial.eventsPerSecond * TICK_MS) / 1_000).catch(() => undefined)
      dueMs = Math.max(dueMs + TICK_MS, performance.now() - TICK_MS)
      await delay(Math.max(0, dueMs - performance.now()))
    }
  }

  #deposit() {
    const index = this.#random.int(this.#trial.accountCount)
    const isPoison = index < POISONED_ACCOUNTS && this.#random.int(4) === 0
    const amount = isPoison ? 0 : 1 + this.#random.int(1_000)
    const note = `branch-${index % BRANCHES}`
    return AccountEvents.Deposited({ accountId: `account-${index}`, amount, note })
  }

  #ofTenant(record: RawRecord): RawRecord {
    const { tenants } = this.#trial
    if (tenants === undefined) return record
    const tenant = Buffer.from(this.#random.pick(tenants))
    return { ...record, headers: [...(record.headers ?? []), ['tenant', tenant]] }
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
