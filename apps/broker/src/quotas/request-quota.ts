import type { Clock } from '@fairlead/base'
import {
  type ClientQuotas,
  type MutationQuota,
  type QuotaClient,
  type QuotaResource,
  UNLIMITED_MUTATIONS,
} from '@fairlead/metadata'
import type { ApiName } from '@fairlead/protocol'

/** Without SASL nobody says who they are (`KafkaPrincipal.ANONYMOUS`). */
const ANONYMOUS = 'ANONYMOUS'
/** Percent of the event loop that a millisecond in a second is. */
const PERCENT_PER_MS = 0.1

/** What the quotas of a client say about one of its requests. */
export type RequestQuota = {
  /** A step of the work on the request begins: the time until `stopTimer` is the client's. */
  startTimer(): void
  stopTimer(): void
  /** Most bytes that a fetch may read at once. */
  readonly fetchBytesMax: number
  /** Whether so many bytes may be sent; otherwise the client gets nothing, and waits. */
  mayFetch(sizeBytes: number): boolean
  /** Whether partitions may be created or deleted; at once, or, unless strict, with a wait afterwards. */
  mutations(options: { readonly isStrict: boolean }): MutationQuota
  /**
   * Counts what the request used, once it is answered, and returns for how long the client must be
   * silent. It is called before the response is encoded, which has the time in it.
   */
  settle(
    api: ApiName,
    request: { readonly sizeBytes: number; readonly hasResponse: boolean },
  ): number
  /** Counts the time that went by since, without a wait. */
  close(): void
}

/** While nobody has a quota. */
const UNLIMITED: RequestQuota = {
  startTimer: () => {},
  stopTimer: () => {},
  fetchBytesMax: Number.POSITIVE_INFINITY,
  mayFetch: () => true,
  mutations: () => UNLIMITED_MUTATIONS,
  settle: () => 0,
  close: () => {},
}

/** Costs nothing but a look at an empty map while nobody has a quota. */
export function requestQuota(
  quotas: ClientQuotas,
  { clientId, clock }: { readonly clientId: string; readonly clock: Clock },
): RequestQuota {
  if (quotas.isEmpty) return UNLIMITED
  return new MeasuredRequest(quotas, { user: ANONYMOUS, clientId }, clock)
}

/**
 * Measures one request. As in Kafka, the response leaves at once, and says how long the client shall
 * be silent; then its connection is not read from for that time (KIP-219). Of several quotas that are
 * exceeded the longest wait counts.
 *
 * The time of a request (`request_percentage`) is that of the event loop, which is the one thread that
 * serves clients: decoding, the handler up to its first wait, and encoding. Reads and writes of the
 * disk go on beside it.
 */
class MeasuredRequest implements RequestQuota {
  readonly #quotas: ClientQuotas
  readonly #client: QuotaClient
  readonly #clock: Clock
  readonly #isTimed: boolean
  #startedMs = 0
  #busyMs = 0
  #throttleMs = 0
  /** When that was found. */
  #throttledMs = 0
  #resource: QuotaResource | undefined

  constructor(quotas: ClientQuotas, client: QuotaClient, clock: Clock) {
    this.#quotas = quotas
    this.#client = client
    this.#clock = clock
    this.#isTimed = quotas.isInForce('Request')
  }

  get fetchBytesMax(): number {
    return this.#quotas.fetchBytesMax(this.#client)
  }

  startTimer(): void {
    if (this.#isTimed) this.#startedMs = this.#clock.nowMs()
  }

  stopTimer(): void {
    if (this.#isTimed) this.#busyMs += this.#clock.nowMs() - this.#startedMs
  }

  mayFetch(sizeBytes: number): boolean {
    const nowMs = this.#clock.nowMs()
    this.#recordTime(nowMs)
    const recorded = { value: sizeBytes, nowMs }
    this.#throttle('Fetch', this.#quotas.record('Fetch', this.#client, recorded))
    if (this.#throttleMs === 0) return true
    // It is sent with the next fetch, and counted then.
    this.#quotas.unrecord('Fetch', this.#client, recorded)
    return false
  }

  mutations({ isStrict }: { readonly isStrict: boolean }): MutationQuota {
    if (!this.#quotas.isInForce('ControllerMutation')) return UNLIMITED_MUTATIONS
    return {
      take: (partitionCount) => {
        const nowMs = this.#clock.nowMs()
        const throttleMs = this.#quotas.mutate(this.#client, { partitionCount, isStrict, nowMs })
        this.#throttle('ControllerMutation', throttleMs)
        return throttleMs === 0 || !isStrict
      },
    }
  }

  settle(
    api: ApiName,
    { sizeBytes, hasResponse }: { readonly sizeBytes: number; readonly hasResponse: boolean },
  ): number {
    const nowMs = this.#clock.nowMs()
    if (api === 'Produce') {
      const recorded = { value: sizeBytes, nowMs }
      this.#throttle('Produce', this.#quotas.record('Produce', this.#client, recorded))
    }
    // A fetch has settled it, since its answer depends on it; acks=0 is exempt, as in Kafka.
    if (api !== 'Fetch' && hasResponse) this.#recordTime(nowMs)
    if (this.#resource === undefined) return 0
    // A change of the metadata may have waited since, for others before it and for the disk. A fetch is
    // answered at once, and must say why it has no records.
    const passedMs = this.#resource === 'ControllerMutation' ? nowMs - this.#throttledMs : 0
    const throttleMs = Math.round(Math.max(0, this.#throttleMs - passedMs))
    this.#quotas.throttled(this.#resource, this.#client, { throttleMs, nowMs })
    return throttleMs
  }

  close(): void {
    if (this.#busyMs > 0) this.#takeTime(this.#clock.nowMs())
  }

  #recordTime(nowMs: number): void {
    if (this.#isTimed) this.#throttle('Request', this.#takeTime(nowMs))
  }

  #takeTime(nowMs: number): number {
    const value = this.#busyMs * PERCENT_PER_MS
    this.#busyMs = 0
    return this.#quotas.record('Request', this.#client, { value, nowMs })
  }

  #throttle(resource: QuotaResource, throttleMs: number): void {
    if (throttleMs <= this.#throttleMs) return
    this.#throttleMs = throttleMs
    this.#throttledMs = this.#clock.nowMs()
    this.#resource = resource
  }
}
