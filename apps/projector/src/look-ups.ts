import {
  LookedUp,
  type PreparedRecord,
  type Projection,
  classifyFailure,
  isEventFault,
} from '@fairlead/projection'
import { inTime } from './in-time.ts'
import { runInLanes } from './run-in-lanes.ts'

/** A batch waits for its look-ups, and a partition for its batch. */
const LOOK_UP_TIMEOUT_MS = 30_000

type Ask = {
  readonly enrichEach: NonNullable<Projection['enrichEach']>
  readonly signal: AbortSignal
}

/**
 * Calls `enrichEach` for the events of batches, in lanes. What an event was given is kept for as long as
 * its record is: a batch that has to be done again asks for nothing twice that it has been told.
 */
export class LookUps {
  readonly #projection: Projection
  readonly #signal: AbortSignal | undefined
  readonly #values = new WeakMap<PreparedRecord, { readonly value: unknown }>()

  /** Once `signal` is aborted, nothing is asked or waited for any more. */
  constructor(projection: Projection, signal?: AbortSignal) {
    this.#projection = projection
    this.#signal = signal
  }

  /**
   * Of events whose key is not parked. Undefined where nothing is looked up for single events. `limit` is as `signal`,
   * of this call alone.
   *
   * @throws what a look-up throws when no event is to blame: a peer is away. The reason of `signal`, or of `limit`.
   */
  async of(
    records: readonly PreparedRecord[],
    isParked: (prepared: PreparedRecord) => boolean,
    limit?: AbortSignal,
  ): Promise<LookedUp | undefined> {
    const { enrichEach, concurrency = 1 } = this.#projection
    if (enrichEach === undefined) return undefined
    const signals = [this.#signal, limit].filter((each) => each !== undefined)
    const ask: Ask = { enrichEach, signal: AbortSignal.any(signals) }
    const lookedUp = new LookedUp()
    await runInLanes(
      records.filter((prepared) => !isParked(prepared)),
      {
        lanesMax: concurrency,
        keyOf: ({ key }) => key,
        run: (prepared) => this.#lookUp(prepared, ask, lookedUp),
      },
    )
    return lookedUp
  }

  async #lookUp(
    prepared: PreparedRecord,
    { enrichEach, signal }: Ask,
    lookedUp: LookedUp,
  ): Promise<void> {
    const { content } = prepared
    if (content.kind !== 'event' || !Object.hasOwn(this.#projection.on, content.event.type)) return
    const { event } = content
    const known = this.#values.get(prepared)
    if (known !== undefined) {
      lookedUp.set(event.source, { ok: true, value: known.value })
      return
    }
    try {
      const value = await inTime((ended) => enrichEach(event, { signal: ended }), {
        timeoutMs: LOOK_UP_TIMEOUT_MS,
        what: 'a look-up',
        signal,
      })
      this.#values.set(prepared, { value })
      lookedUp.set(event.source, { ok: true, value })
    } catch (error) {
      signal.throwIfAborted()
      if (!isEventFault(classifyFailure(error, 'handler'))) throw error
      lookedUp.set(event.source, { ok: false, error })
    }
  }
}
