import { expect } from 'vitest'
import { waitFor } from '../../support/wait-for.ts'
import type { Driver } from './driver.ts'
import { numberOf, numbered } from './records.ts'
import type { ScenarioContext } from './scenario-context.ts'

const TOPIC = 'killed'
const KILLS = 3
const RECORDS_PER_SEND = 100
const SENDS_BETWEEN_KILLS = 5
const PROGRESS_TIMEOUT_MS = 120_000

/**
 * Kills the broker with a producer and a group member at work. What was acknowledged is there once and
 * in order, and the member sees all of it, with repetitions only from where it had committed.
 */
export async function goesOnAfterKills(context: ScenarioContext): Promise<void> {
  await context.createTopic(TOPIC)
  const writing = new Writing(context.driver())
  const reading =
    context.client.lacks.group === undefined ? await Reading.start(context.driver()) : undefined
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const enough = writing.acknowledged + SENDS_BETWEEN_KILLS * RECORDS_PER_SEND
    await waitFor('progress', PROGRESS_TIMEOUT_MS, () => writing.reached(enough))
    await context.server.kill()
    context.server.restart()
    await context.server.ready()
  }
  const total = await writing.stop()
  const numbers = (await context.stored(TOPIC)).map(numberOf)
  expect(numbers).toEqual(Array.from({ length: total }, (_, number) => number))
  await reading?.finish(total)
}

/** Sends numbered records without a pause, over every failure of the broker. */
class Writing {
  acknowledged = 0
  readonly #driver: Driver
  readonly #done: Promise<void>
  #failure: unknown
  #isStopping = false

  constructor(driver: Driver) {
    this.#driver = driver
    this.#done = this.#write().catch((error: unknown) => {
      this.#failure = error
    })
  }

  reached(count: number): boolean {
    if (this.#failure !== undefined) throw this.#failure
    return this.acknowledged >= count
  }

  async stop(): Promise<number> {
    this.#isStopping = true
    await this.#done
    this.reached(0)
    return this.acknowledged
  }

  async #write(): Promise<void> {
    while (!this.#isStopping) {
      const records = numbered(RECORDS_PER_SEND, 'over kills', this.acknowledged)
      const request = { topic: TOPIC, partition: 0, compression: 'none', idempotent: true } as const
      await this.#driver.ask('produce', { ...request, records })
      this.acknowledged += RECORDS_PER_SEND
    }
  }
}

/** A member that commits after every poll, where the broker lets it. */
class Reading {
  readonly #driver: Driver
  readonly #seen = new Set<number>()
  readonly #done: Promise<void>
  #isStopping = false
  #failure: unknown

  static async start(driver: Driver): Promise<Reading> {
    const join = { group: TOPIC, topic: TOPIC, instanceId: null, cooperative: false }
    await driver.ask('join', join)
    return new Reading(driver)
  }

  private constructor(driver: Driver) {
    this.#driver = driver
    this.#done = this.#read().catch((error: unknown) => {
      this.#failure = error
    })
  }

  async finish(total: number): Promise<void> {
    const hasAll = () => this.#seen.size === total
    await waitFor('all records in the group', PROGRESS_TIMEOUT_MS, () => {
      if (this.#failure !== undefined) throw this.#failure
      return hasAll()
    })
    this.#isStopping = true
    await this.#done
    await this.#driver.ask('leave', {})
  }

  async #read(): Promise<void> {
    while (!this.#isStopping) {
      const { records } = await this.#driver.ask('poll', { timeoutMs: 300 })
      for (const record of records) this.#seen.add(numberOf(record))
      // A commit may meet a dead broker or a rebalance; the next one brings the position.
      if (records.length > 0) await this.#driver.ask('commit', {}).catch(() => {})
    }
  }
}
