import { canonicalAddress } from './ip-address.ts'
import type { QuotasImage } from './quotas-image.ts'
import { type QuotaWindows, Rate } from './rate.ts'
import { Sensors } from './sensors.ts'

/**
 * How fast single addresses connect: `connection_creation_rate` (KIP-612). A connection above the quota
 * is not counted; its peer gets nothing for the time that is returned, and is closed then.
 */
export class ConnectionRates {
  readonly #image: QuotasImage
  readonly #windows: QuotaWindows
  readonly #sensors: Sensors<Rate>

  constructor(options: {
    readonly image: QuotasImage
    readonly windows: QuotaWindows
    readonly sensorsMax: number
  }) {
    this.#image = options.image
    this.#windows = options.windows
    this.#sensors = new Sensors({
      countMax: options.sensorsMax,
      create: () => new Rate(options.windows),
    })
  }

  /** Counts a connection of this address; above 0 when it is one too many, for a window at most. */
  connect(remoteAddress: string, nowMs: number): number {
    if (!this.#image.has('connection_creation_rate')) return 0
    const address = canonicalAddress(remoteAddress) ?? remoteAddress
    const bound = this.#image.connectionRateOf(address)
    if (bound === undefined) return 0
    const rate = this.#sensors.use(address, nowMs)
    rate.record(1, nowMs)
    const throttleMs = rate.throttleMs(bound, nowMs)
    if (throttleMs > 0) rate.record(-1, nowMs)
    return Math.min(throttleMs, this.#windows.windowMs)
  }
}
