import type { QuotaKey } from './quota-key.ts'
import type { ClientLimit, QuotaClient, QuotasImage } from './quotas-image.ts'
import { type QuotaWindows, Rate } from './rate.ts'
import { Sensors } from './sensors.ts'
import { TokenBucket } from './token-bucket.ts'

/** What is measured of a client, by Kafka's name of the resource (`QuotaType`). */
export type QuotaResource = 'Produce' | 'Fetch' | 'Request' | 'ControllerMutation'

const QUOTA_KEYS: Readonly<Record<QuotaResource, QuotaKey>> = {
  Produce: 'producer_byte_rate',
  Fetch: 'consumer_byte_rate',
  Request: 'request_percentage',
  ControllerMutation: 'controller_mutation_rate',
}
const QUOTA_RESOURCES = Object.keys(QUOTA_KEYS) as readonly QuotaResource[]

/** Longest time that a client can be told to wait, and a timer can. */
const THROTTLE_MS_MAX = 2 ** 31 - 1
/** Of the names of a client whose use is measured: what is longer shares with what begins alike. */
const NAME_LENGTH_MAX = 250
/** Averages of throttle times are over Kafka's `metrics.num.samples` and `metrics.sample.window.ms`. */
const METRIC_WINDOWS: QuotaWindows = { count: 2, windowMs: 30_000 }

export type ClientQuotasOptions = {
  readonly image: QuotasImage
  /** `quota.window.…` */
  readonly windows: QuotaWindows
  /** `controller.quota.window.…` */
  readonly mutationWindows: QuotaWindows
  /** Of each resource. */
  readonly sensorsMax: number
}

export type QuotaReading = {
  readonly resource: QuotaResource
  readonly user: string
  readonly clientId: string
  /** Per second, since clients share it: bytes, partitions, or percent of the time of a thread. */
  readonly rate: number
  /** Permits left; of controller mutations only. */
  readonly tokens: number | undefined
  /** Average of those times that were not 0; undefined for none lately. */
  readonly throttleTimeMs: number | undefined
}

class ClientSensor {
  readonly rate: Rate
  readonly bucket: TokenBucket
  readonly throttleTimes = new Rate(METRIC_WINDOWS)
  readonly throttleCounts = new Rate(METRIC_WINDOWS)

  constructor(windows: QuotaWindows) {
    this.rate = new Rate(windows)
    this.bucket = new TokenBucket(windows)
  }
}

/**
 * Measures what clients with a quota use, and says for how long they must be silent (KIP-13, KIP-124,
 * KIP-599). Time is an argument: milliseconds of a clock that never goes back.
 *
 * A client without a quota is not measured. A quota that changes applies to what is measured already.
 */
export class ClientQuotas {
  readonly #options: ClientQuotasOptions
  readonly #sensors: Readonly<Record<QuotaResource, Sensors<ClientSensor>>>

  constructor(options: ClientQuotasOptions) {
    this.#options = options
    const { windows, mutationWindows, sensorsMax: countMax } = options
    const sensors = (of: QuotaWindows): Sensors<ClientSensor> =>
      new Sensors({ countMax, create: () => new ClientSensor(of) })
    this.#sensors = {
      Produce: sensors(windows),
      Fetch: sensors(windows),
      Request: sensors(windows),
      ControllerMutation: sensors(mutationWindows),
    }
  }

  /** Whether nobody has any quota: there is nothing to measure. */
  get isEmpty(): boolean {
    return this.#options.image.size === 0
  }

  isInForce(resource: QuotaResource): boolean {
    return this.#options.image.has(QUOTA_KEYS[resource])
  }

  /** Counts what a client used, and returns how long it must be silent; 0 for not at all. */
  record(
    resource: Exclude<QuotaResource, 'ControllerMutation'>,
    client: QuotaClient,
    { value, nowMs }: { readonly value: number; readonly nowMs: number },
  ): number {
    const limit = this.#limitOf(resource, client)
    if (limit === undefined) return 0
    const { rate } = this.#sensorOf(resource, limit, nowMs)
    // A batch of more than all windows are worth is sent after a silence; Kafka never sends it.
    const isAlone = resource === 'Fetch' && rate.sum(nowMs) === 0
    rate.record(value, nowMs)
    if (isAlone) return 0
    const throttleMs = rate.throttleMs(limit.bound, nowMs)
    // One request must not cost the client more than the time that it took: Kafka's bound.
    const longestMs = resource === 'Request' ? this.#options.windows.windowMs : THROTTLE_MS_MAX
    return Math.min(throttleMs, longestMs)
  }

  /** Counts back what was not used after all; or, with a negative value, what nobody waits for. */
  unrecord(
    resource: Exclude<QuotaResource, 'ControllerMutation'>,
    client: QuotaClient,
    { value, nowMs }: { readonly value: number; readonly nowMs: number },
  ): void {
    const limit = this.#limitOf(resource, client)
    if (limit !== undefined) this.#sensorOf(resource, limit, nowMs).rate.record(-value, nowMs)
  }

  /**
   * Bytes that a client can fetch at once without having to wait, if it did not fetch lately: more in one
   * answer would never be let through.
   */
  fetchBytesMax(client: QuotaClient): number {
    const { count, windowMs } = this.#options.windows
    const bound = this.#limitOf('Fetch', client)?.bound ?? Number.POSITIVE_INFINITY
    return (bound * (count - 1) * windowMs) / 1_000
  }

  /**
   * Counts partitions that a client creates or deletes, and returns how long it must be silent. When
   * that is more than 0 and the quota is strict, nothing was counted, and nothing may be done.
   */
  mutate(
    client: QuotaClient,
    request: {
      readonly partitionCount: number
      readonly isStrict: boolean
      readonly nowMs: number
    },
  ): number {
    const { partitionCount, isStrict, nowMs } = request
    const limit = this.#limitOf('ControllerMutation', client)
    if (limit === undefined) return 0
    const { bucket, rate } = this.#sensorOf('ControllerMutation', limit, nowMs)
    const debtMs = bucket.throttleMs(limit.bound, nowMs)
    if (isStrict && debtMs > 0) return Math.min(debtMs, THROTTLE_MS_MAX)
    bucket.take(partitionCount, limit.bound, nowMs)
    rate.record(partitionCount, nowMs)
    if (isStrict) return 0
    return Math.min(bucket.throttleMs(limit.bound, nowMs), THROTTLE_MS_MAX)
  }

  /** Notes that a client was told to wait, for the metrics. */
  throttled(
    resource: QuotaResource,
    client: QuotaClient,
    { throttleMs, nowMs }: { readonly throttleMs: number; readonly nowMs: number },
  ): void {
    const limit = this.#limitOf(resource, client)
    if (limit === undefined) return
    const { throttleTimes, throttleCounts } = this.#sensorOf(resource, limit, nowMs)
    throttleTimes.record(throttleMs, nowMs)
    throttleCounts.record(1, nowMs)
  }

  /** Everything that is measured now. */
  *readings(nowMs: number): Iterable<QuotaReading> {
    for (const resource of QUOTA_RESOURCES) {
      this.#sensors[resource].expire(nowMs)
      for (const [key, sensor] of this.#sensors[resource].entries()) {
        const [user = '', clientId = ''] = JSON.parse(key) as string[]
        const bound = this.#limitOf(resource, { user, clientId })?.bound
        const throttleCount = sensor.throttleCounts.sum(nowMs)
        yield {
          resource,
          user,
          clientId,
          rate: sensor.rate.perSecond(nowMs),
          tokens:
            resource === 'ControllerMutation' && bound !== undefined
              ? sensor.bucket.tokens(bound, nowMs)
              : undefined,
          throttleTimeMs:
            throttleCount === 0 ? undefined : sensor.throttleTimes.sum(nowMs) / throttleCount,
        }
      }
    }
  }

  #limitOf(resource: QuotaResource, client: QuotaClient): ClientLimit | undefined {
    return this.#options.image.limitOf(QUOTA_KEYS[resource], client)
  }

  #sensorOf(resource: QuotaResource, { user, clientId }: ClientLimit, nowMs: number): ClientSensor {
    const names = [user, clientId].map((name) => name.slice(0, NAME_LENGTH_MAX))
    return this.#sensors[resource].use(JSON.stringify(names), nowMs)
  }
}
