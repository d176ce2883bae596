import { HttpFailure } from '../http/errors.ts'

/** Whose rates are kept; beyond, the one that has not asked for the longest time is forgotten. */
const TRACKED_MAX = 10_000

export type RateLimitsOptions = {
  /** Requests per second of the whole registry. */
  readonly perSecond: number
  /** Requests per second of one user, or of one address without a user. */
  readonly perClientPerSecond: number
  /** Monotonic. */
  readonly nowMs: () => number
}

/**
 * Refuses who asks too often. Each rate is a bucket of one second's requests that fills steadily: a
 * client that was quiet may send as many at once.
 */
export class RateLimits {
  readonly #options: RateLimitsOptions
  readonly #all: Bucket
  readonly #byClient = new Map<string, Bucket>()

  constructor(options: RateLimitsOptions) {
    this.#options = options
    this.#all = new Bucket(options.perSecond, options.nowMs())
  }

  /**
   * Counts a request of a client: `user <name>` or `address <ip>`.
   *
   * @throws {HttpFailure} 429, with the seconds until the next one may come.
   */
  take(client: string): void {
    const nowMs = this.#options.nowMs()
    const waitMs = this.#bucketOf(client, nowMs).take(nowMs) || this.#all.take(nowMs)
    if (waitMs === 0) return
    throw new HttpFailure({
      errorCode: 429,
      message: 'Too many requests: try again later',
      retryAfterSeconds: Math.ceil(waitMs / 1_000),
    })
  }

  #bucketOf(client: string, nowMs: number): Bucket {
    const bucket = this.#byClient.get(client) ?? new Bucket(this.#options.perClientPerSecond, nowMs)
    this.#byClient.delete(client)
    this.#byClient.set(client, bucket)
    const oldest = this.#byClient.keys().next()
    if (this.#byClient.size > TRACKED_MAX && oldest.done !== true) {
      this.#byClient.delete(oldest.value)
    }
    return bucket
  }
}

class Bucket {
  readonly #perSecond: number
  #tokens: number
  #atMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#atMs = nowMs
  }

  /** 0 when there was a token, otherwise the time until there is one. */
  take(nowMs: number): number {
    const gained = ((nowMs - this.#atMs) / 1_000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained)
    this.#atMs = nowMs
    if (this.#tokens < 1) return ((1 - this.#tokens) / this.#perSecond) * 1_000
    this.#tokens -= 1
    return 0
  }
}
