/** The window in which parked keys are counted, and for which a tripped breaker stays open. */
const WINDOW_MS = 60_000

/** A flood is also this share of the keys that were seen; a large topic has some bad keys. */
const PARKED_SHARE_MAX = 0.05

/** What a batch would do: which keys it parks, of how many that it handles. */
export type KeyCounts = {
  readonly keyCount: number
  /** One for each key: by the fingerprint of what parks it, and whose it is; empty without tenants. */
  readonly parked: readonly { readonly cause: string; readonly tenant: string }[]
}

export type Flood = {
  /** Fingerprint of what parks the keys. */
  readonly cause: string
  /** `tenant`: of one tenant, whose keys alone are parked while those of others go on. */
  readonly scope: 'all' | 'tenant'
}

/**
 * Tells a few poison events from a broken projection. When many keys fail for one cause within a
 * minute, parking them all would turn one bug into a table full of letters; the partition waits
 * instead.
 *
 * A partition that waits holds all tenants up. So where there are tenants, the keys of the one that has the
 * most of a cause do not count: what fails for one of them alone is parked.
 *
 * Counts start anew with each window, so that memory is bounded by the keys that a window parks.
 */
export class FloodBreaker {
  readonly #parkedKeysMax: number
  #windowStartMs = 0
  #keyCount = 0
  #isOpen = false
  /** By cause and tenant. */
  #parked: ParkedCounts = new Map()

  /** More than `parkedKeysMax` keys of one cause, and over 5 % of all keys, trip it. */
  constructor(options: { readonly parkedKeysMax: number }) {
    this.#parkedKeysMax = options.parkedKeysMax
  }

  /** What a batch would park too many keys of; undefined when it is no flood. */
  floodOf(batch: KeyCounts, nowMs: number): Flood | undefined {
    this.#roll(nowMs)
    const keys = this.#keyCount + batch.keyCount
    const isFlood = (count: number): boolean =>
      count > this.#parkedKeysMax && count > keys * PARKED_SHARE_MAX
    let ofTenant: Flood | undefined
    for (const [cause, added] of countsOf(batch)) {
      const byTenant = sumOf(this.#parked.get(cause), added)
      const total = [...byTenant.values()].reduce((sum, count) => sum + count, 0)
      if (!isFlood(total)) continue
      if (isFlood(total - mostOfTenant(byTenant))) {
        this.#isOpen = true
        return { cause, scope: 'all' }
      }
      ofTenant = { cause, scope: 'tenant' }
    }
    return ofTenant
  }

  committed(batch: KeyCounts, nowMs: number): void {
    this.#roll(nowMs)
    this.#keyCount += batch.keyCount
    for (const [cause, added] of countsOf(batch)) {
      this.#parked.set(cause, sumOf(this.#parked.get(cause), added))
    }
  }

  /** Whether a batch was refused in this window: what fails now would fail whatever event it is of. */
  isOpen(nowMs: number): boolean {
    this.#roll(nowMs)
    return this.#isOpen
  }

  /** When a refused batch is worth another try. */
  retryAtMs(nowMs: number): number {
    this.#roll(nowMs)
    return this.#windowStartMs + WINDOW_MS
  }

  #roll(nowMs: number): void {
    if (nowMs - this.#windowStartMs < WINDOW_MS) return
    this.#windowStartMs = nowMs
    this.#keyCount = 0
    this.#isOpen = false
    this.#parked = new Map()
  }
}

type Counts = ReadonlyMap<string, number>

type ParkedCounts = Map<string, Counts>

function countsOf({ parked }: KeyCounts): ParkedCounts {
  const counts = new Map<string, Map<string, number>>()
  for (const { cause, tenant } of parked) {
    const byTenant = counts.get(cause) ?? new Map<string, number>()
    byTenant.set(tenant, 1 + (byTenant.get(tenant) ?? 0))
    counts.set(cause, byTenant)
  }
  return counts
}

function sumOf(one: Counts | undefined, other: Counts): Counts {
  const sum = new Map(one)
  for (const [tenant, count] of other) sum.set(tenant, count + (sum.get(tenant) ?? 0))
  return sum
}

/** What is of no tenant counts for everybody. */
function mostOfTenant(counts: Counts): number {
  return Math.max(0, ...[...counts].map(([tenant, count]) => (tenant === '' ? 0 : count)))
}
