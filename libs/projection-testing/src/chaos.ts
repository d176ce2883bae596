import assert from 'node:assert/strict'
import type { NewEvent } from '@fairlead/avro'
import type { Projection } from '@fairlead/projection'
import { type Way, everyWay } from './every-way.ts'
import { openReadModel, type ReadModelOptions } from './open-read-model.ts'
import { Crash, type ReadModel, type Tables } from './read-model.ts'
import { type HistoricEvent, historyOf, recordOf } from './records.ts'
import { type Random, seededRandom } from './seeded-random.ts'

/** Events to begin with, or what makes them, anew for each run. */
export type History = readonly NewEvent[] | ((random: () => number) => readonly NewEvent[])

export type ChaosOptions<DB = unknown> = ReadModelOptions<DB> & {
  /** How many histories, and ways to apply them. Default 200. */
  readonly runs?: number
  /** Of the first run; a failure names the one of the run that failed. Default: by the clock. */
  readonly seed?: number
}

export type ChaosReport = {
  readonly runs: number
  readonly seed: number
  readonly crashes: number
  readonly duplicates: number
  readonly batches: number
  /** How many of the ways were tried that are tried one by one. */
  readonly ways: number
  /** Events that were set aside, of all runs. */
  readonly parked: number
}

const RUNS_DEFAULT = 200
const CRASH_CHANCE = 0.3
const REPUBLISH_CHANCE = 0.2
const CRASHES_PER_RUN_MAX = 50

/**
 * Applies a history in ways that a log, a relay and a crashing process produce: batches split at any
 * point, records read again from behind the checkpoint, events published again, crashes behind each
 * statement, and events of different keys in another order. The rows, and the events that were set
 * aside, must always be those of one event after the other.
 *
 * Of the first history every split is tried (of a long one, every split in two), a rebuild, and a crash behind every
 * statement; all of that together, and anything else, by chance, in each run.
 *
 * Rejects with an `AssertionError` that names the seed, and when all events of all runs were set aside.
 */
export async function chaos<DB>(
  projection: Projection,
  history: History,
  options: ChaosOptions<DB> = {},
): Promise<ChaosReport> {
  const { runs = RUNS_DEFAULT, seed = Date.now() % 1_000_000 } = options
  // Of no runs, every projection comes to the same rows.
  if (!Number.isSafeInteger(runs) || runs < 1) {
    throw new TypeError(`chaos runs at least once, not ${runs} times`)
  }
  if (!Number.isSafeInteger(seed)) throw new TypeError(`a seed is an integer, not ${seed}`)
  const totals = { crashes: 0, duplicates: 0, batches: 0, ways: 0, parked: 0 }
  let eventCount = 0
  for (let run = 0; run < runs; run += 1) {
    const random = seededRandom(seed + run)
    const events = typeof history === 'function' ? history(() => random.fraction()) : history
    const historic = historyOf(projection, events)
    const expected = await applyInOrder(projection, historic, options)
    eventCount += events.length
    totals.parked += expected.letters.length
    const again = `run again with { seed: ${seed + run}, runs: 1 }`
    const differs = (how: string): string =>
      `${projection.name} depends on more than the order of events per key${how}: ${again}`
    if (run === 0) {
      for (const way of everyWay(projection, historic)) {
        const { result, isTried } = await applyInWay(projection, way, options)
        if (!isTried) break
        totals.ways += 1
        assert.deepEqual(result, expected, differs(`, and comes to other rows ${way.what}`))
      }
    }
    const disturbed = new DisturbedRun(projection, random, totals)
    assert.deepEqual(await disturbed.apply(historic, options), expected, differs(''))
  }
  // Nothing but letters comes of these, in whatever way.
  if (eventCount > 0 && totals.parked === eventCount) {
    assert.fail(
      `${projection.name} set all events aside, so that there were no rows to compare: given(…).events(…).then([]) says why`,
    )
  }
  return { runs, seed, ...totals }
}

type Result = { readonly rows: Tables; readonly letters: readonly (readonly string[])[] }

async function applyInOrder<DB>(
  projection: Projection,
  history: readonly HistoricEvent[],
  options: ReadModelOptions<DB>,
): Promise<Result> {
  const model = await openReadModel(projection, options)
  try {
    for (const historic of history) {
      const { topic } = historic.event
      const record = recordOf(projection, historic, model.nextOffset(topic))
      await model.apply({ topic, records: [record] })
    }
    return await resultOf(model)
  } finally {
    await model.close()
  }
}

async function applyInWay<DB>(
  projection: Projection,
  { isReplay, apply }: Way,
  options: ReadModelOptions<DB>,
): Promise<{ readonly result: Result; readonly isTried: boolean }> {
  const model = await openReadModel(projection, options, { isReplay })
  try {
    const isTried = await apply(model)
    return { result: await resultOf(model), isTried }
  } finally {
    await model.close()
  }
}

async function resultOf(model: ReadModel): Promise<Result> {
  const letters = model.letters.map(({ key, eventType, record, cause }) => [
    key,
    String(eventType),
    new Date(record.timestampMs).toISOString(),
    cause.kind,
  ])
  return { rows: await model.rows(), letters: letters.sort(compareFirst) }
}

/** Letters of one key keep their order. */
function compareFirst([one = '']: readonly string[], [other = '']: readonly string[]): number {
  return one < other ? -1 : Number(one > other)
}

class DisturbedRun {
  readonly #projection: Projection
  readonly #random: Random
  readonly #totals: { crashes: number; duplicates: number; batches: number }
  #crashCount = 0

  constructor(
    projection: Projection,
    random: Random,
    totals: { crashes: number; duplicates: number; batches: number },
  ) {
    this.#projection = projection
    this.#random = random
    this.#totals = totals
  }

  async apply<DB>(
    history: readonly HistoricEvent[],
    options: ReadModelOptions<DB>,
  ): Promise<Result> {
    const model = await openReadModel(this.#projection, options)
    try {
      const logs = Map.groupBy(this.#interleaved(history), ({ event }) => event.topic)
      for (const [topic, events] of logs) {
        await this.#applyLog(model, topic, this.#withRepublished(events))
      }
      return await resultOf(model)
    } finally {
      await model.close()
    }
  }

  /** Events of one key keep their order; those of others come before or after. */
  #interleaved(history: readonly HistoricEvent[]): readonly HistoricEvent[] {
    const queues = [...Map.groupBy(history, ({ event }) => `${event.topic} ${event.key}`).values()]
    const interleaved: HistoricEvent[] = []
    while (queues.length > 0) {
      const index = this.#random.below(queues.length)
      const queue = queues[index] ?? []
      const [next] = queue.splice(0, 1)
      if (next !== undefined) interleaved.push(next)
      if (queue.length === 0) queues.splice(index, 1)
    }
    return inCommitOrder(interleaved)
  }

  /** A relay that crashed publishes again what it had not confirmed, in the same order. */
  #withRepublished(events: readonly HistoricEvent[]): readonly HistoricEvent[] {
    const log: HistoricEvent[] = []
    for (const event of events) {
      log.push(event)
      if (this.#random.fraction() >= REPUBLISH_CHANCE) continue
      const again = log.slice(-(1 + this.#random.below(3)))
      this.#totals.duplicates += again.length
      log.push(...again)
    }
    return log
  }

  async #applyLog(model: ReadModel, topic: string, log: readonly HistoricEvent[]): Promise<void> {
    const records = log.map((event, offset) => recordOf(this.#projection, event, offset))
    while (model.nextOffset(topic) < records.length) {
      const next = model.nextOffset(topic)
      // A consumer whose offset went back reads records that are applied.
      const from = Math.max(0, next - this.#random.below(3))
      const to = next + 1 + this.#random.below(records.length - next)
      this.#totals.duplicates += next - from
      this.#totals.batches += 1
      await this.#applyOrCrash(model, { topic, records: records.slice(from, to) })
    }
  }

  async #applyOrCrash(model: ReadModel, batch: Parameters<ReadModel['apply']>[0]): Promise<void> {
    const mayCrash = this.#crashCount < CRASHES_PER_RUN_MAX
    const isCrash = mayCrash && this.#random.fraction() < CRASH_CHANCE
    try {
      await model.apply(batch, isCrash ? 1 + this.#random.below(model.statementsMax) : undefined)
    } catch (error) {
      if (!(error instanceof Crash)) throw error
      this.#crashCount += 1
      this.#totals.crashes += 1
    }
  }
}

/** A relay publishes in the order of commits: what is moved was committed at its new place. */
function inCommitOrder(events: readonly HistoricEvent[]): readonly HistoricEvent[] {
  return events.map((event, commit) => ({ ...event, commit }))
}
