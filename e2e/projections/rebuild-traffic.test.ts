import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents } from './accounts.ts'
import {
  cli,
  deposits,
  hasState,
  liveRows,
  oracleRows,
  rebuildOf,
  release,
  rowsOf,
  startStack,
} from './rebuild-stack.ts'

/** REBUILD_EVENTS=1000000 is the long form. */
const HISTORY_EVENTS = Number(process.env['REBUILD_EVENTS'] ?? 50_000)
const PUBLISH_EVENTS = 5_000
const EVENTS_PER_SECOND = 1_000
const TICK_MS = 20
const PROBE = 'probe'
/** The p99 of few is that of the worst two or three, and says little. */
const PROBES_BEFORE = Math.max(200, HISTORY_EVENTS / 1_000)

test('a rebuild under traffic: readers never notice', async () => {
  await using stack = await startStack()
  for (let from = 0; from < HISTORY_EVENTS; from += PUBLISH_EVENTS) {
    await stack.publish(...deposits(Math.min(PUBLISH_EVENTS, HISTORY_EVENTS - from), from))
  }
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const traffic = new Traffic(stack)
  await traffic.hasSeen(PROBES_BEFORE)
  const before = traffic.takeLatencies()

  const killed = release(stack, 'accounts:2')
  await waitFor('the rebuild to load', 60_000, async () => {
    const job = await rebuildOf(stack, 2)
    return job?.phase === 'loading' || job?.state === 'done'
  })
  await killed.stop('SIGKILL')
  const second = release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  const during = traffic.takeLatencies()
  const promoted = await cli(second, 'promote', 'accounts', '--version', '2', '--json')
  expect(promoted.exitCode, promoted.stderr).toBe(0)
  const { durationMs } = JSON.parse(promoted.stdout) as { readonly durationMs: number }
  const [p99BeforeMs, p99DuringMs] = [percentile99(before), percentile99(during)]
  process.stdout.write(
    `${HISTORY_EVENTS} events: promoted in ${durationMs} ms; p99 of live events ${p99BeforeMs.toFixed(0)} ms before, ${p99DuringMs.toFixed(0)} ms in the rebuild\n`,
  )

  await traffic.hasSeen(PROBES_BEFORE)
  const back = await cli(second, 'rollback', 'accounts')
  expect(back.exitCode, back.stderr).toBe(0)
  await traffic.hasSeen(PROBES_BEFORE)
  expect(await traffic.stop()).toEqual([])
  await stack.caughtUp('accounts')
  await stack.caughtUp('accounts', { version: 2 })
  const expected = await oracleRows(stack)
  expect(await liveRows(stack)).toEqual(expected)
  expect(await rowsOf(stack, 2)).toEqual(expected)
})

/** Publishes at a steady rate, and reads all the time: what fails, and how soon events are seen. */
class Traffic {
  readonly #stack: ProjectionStack
  readonly #stopping = new AbortController()
  readonly #sentMs = new Map<number, number>()
  readonly #failures: unknown[] = []
  readonly #done: Promise<unknown>
  #latencies: number[] = []
  #seen = 0

  constructor(stack: ProjectionStack) {
    this.#stack = stack
    this.#done = Promise.all([this.#publish(), this.#read()])
  }

  /** Milliseconds from before a publication to when readers see it, since the last call. */
  takeLatencies(): readonly number[] {
    const latencies = this.#latencies
    this.#latencies = []
    return latencies
  }

  async hasSeen(more: number): Promise<void> {
    const goal = this.#seen + more
    await waitFor(`${more} more probes to be seen`, 120_000, () => this.#seen >= goal)
  }

  /** What readers ran into. */
  async stop(): Promise<readonly unknown[]> {
    this.#stopping.abort()
    await this.#done
    return this.#failures
  }

  async #publish(): Promise<void> {
    const startMs = performance.now()
    const perTick = (EVENTS_PER_SECOND * TICK_MS) / 1_000
    for (let tick = 1; !this.#stopping.signal.aborted; tick += 1) {
      const probe = AccountEvents.Deposited({ accountId: PROBE, amount: 1, note: String(tick) })
      this.#sentMs.set(tick, performance.now())
      await this.#stack.publish(...deposits(perTick - 1, tick * perTick), probe)
      await sleep(Math.max(0, startMs + tick * TICK_MS - performance.now()))
    }
  }

  async #read(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const { rows } = await this.#stack.pool.query<{ note: string }>(
          'select note from public.account where id = $1',
          [PROBE],
        )
        this.#note(rows[0]?.note)
      } catch (error) {
        this.#failures.push(error)
      }
      await sleep(1)
    }
  }

  #note(note: string | undefined): void {
    if (note === undefined) {
      if (this.#seen > 0) this.#failures.push(new Error('the row is gone'))
      return
    }
    const tick = Number(note)
    for (; this.#seen < tick; this.#seen += 1) {
      const sentMs = this.#sentMs.get(this.#seen + 1)
      if (sentMs !== undefined) this.#latencies.push(performance.now() - sentMs)
      this.#sentMs.delete(this.#seen + 1)
    }
  }
}

function percentile99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN
}
