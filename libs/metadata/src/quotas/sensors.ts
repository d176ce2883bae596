import { invariant } from '@fairlead/base'

/** Kafka's `InactiveSensorExpirationTimeSeconds`. */
const SENSOR_EXPIRATION_MS = 3_600_000
/** The order of use is kept to this: most uses then cost a look-up alone. */
const ORDER_MS = 1_000

/**
 * What is measured for each of many clients, until they were silent for an hour. Clients name
 * themselves: when there are too many, the longest unused is forgotten.
 *
 * Invariant: at most `countMax` sensors.
 */
export class Sensors<Sensor> {
  readonly #countMax: number
  readonly #create: () => Sensor
  /** The longest unused first, to the second. */
  readonly #byKey = new Map<string, { readonly sensor: Sensor; usedMs: number }>()

  constructor({ countMax, create }: { readonly countMax: number; readonly create: () => Sensor }) {
    invariant(countMax > 0, 'there is room for a sensor')
    this.#countMax = countMax
    this.#create = create
  }

  get count(): number {
    return this.#byKey.size
  }

  use(key: string, nowMs: number): Sensor {
    const known = this.#byKey.get(key)
    if (known !== undefined && nowMs - known.usedMs < ORDER_MS) return known.sensor
    if (known === undefined) {
      this.expire(nowMs)
      const [oldest] = this.#byKey.keys()
      if (oldest !== undefined && this.#byKey.size >= this.#countMax) this.#byKey.delete(oldest)
    }
    const sensor = known?.sensor ?? this.#create()
    this.#byKey.delete(key)
    this.#byKey.set(key, { sensor, usedMs: nowMs })
    return sensor
  }

  expire(nowMs: number): void {
    for (const [key, { usedMs }] of this.#byKey) {
      if (nowMs - usedMs < SENSOR_EXPIRATION_MS) return
      this.#byKey.delete(key)
    }
  }

  *entries(): Iterable<readonly [key: string, sensor: Sensor]> {
    for (const [key, { sensor }] of this.#byKey) yield [key, sensor]
  }
}
