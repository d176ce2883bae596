import type { ClientQuotaRecord } from '../metadata-record.ts'
import { canonicalAddress } from './ip-address.ts'
import { type QuotaEntity, entityKey } from './quota-entity.ts'
import type { QuotaKey } from './quota-key.ts'

export type EntityQuotas = {
  readonly entity: QuotaEntity
  readonly values: ReadonlyMap<string, number>
}

/** The quota of a client, and with whom it shares what is measured; `''` stands for everybody. */
export type ClientLimit = {
  readonly bound: number
  readonly user: string
  readonly clientId: string
}

export type QuotaClient = { readonly user: string; readonly clientId: string }

/**
 * Every quota that is set, as part of the metadata. Only `replay` changes it.
 *
 * Invariant: an entity is here exactly if it has a quota.
 */
export class QuotasImage {
  readonly #entities = new Map<string, { entity: QuotaEntity; values: Map<string, number> }>()
  /** Values by entity without the detour over a key, for each request. */
  readonly #byUser = new Map<string | null | undefined, Map<string | null | undefined, Values>>()
  readonly #byAddress = new Map<string | null, Values>()
  /** How many entities have a quota of this key. */
  readonly #counts = new Map<string, number>()

  get size(): number {
    return this.#entities.size
  }

  /** Whether anybody has a quota of this key. */
  has(key: QuotaKey): boolean {
    return this.#counts.has(key)
  }

  entities(): Iterable<EntityQuotas> {
    return this.#entities.values()
  }

  /** What is set for an entity; empty when it has no quota. */
  valuesOf(entity: QuotaEntity): ReadonlyMap<string, number> {
    return this.#entities.get(entityKey(entity))?.values ?? NO_VALUES
  }

  /**
   * The quota that applies to a client: the most specific one of Kafka's eight levels. A client without
   * an id has only quotas of users. What is measured belongs to the user and client id, to the user, or
   * to the client id, as the quota says.
   */
  limitOf(key: QuotaKey, { user, clientId }: QuotaClient): ClientLimit | undefined {
    if (!this.#counts.has(key)) return undefined
    const hasId = clientId !== ''
    for (const owner of [user, null]) {
      const both = hasId
        ? (this.#bound(key, owner, clientId) ?? this.#bound(key, owner, null))
        : undefined
      if (both !== undefined) return { bound: both, user, clientId }
      const bound = this.#bound(key, owner, undefined)
      if (bound !== undefined) return { bound, user, clientId: '' }
    }
    if (!hasId) return undefined
    const bound = this.#bound(key, undefined, clientId) ?? this.#bound(key, undefined, null)
    return bound === undefined ? undefined : { bound, user: '', clientId }
  }

  /** New connections per second of a canonical address; undefined for no limit. */
  connectionRateOf(address: string): number | undefined {
    const key: QuotaKey = 'connection_creation_rate'
    return this.#byAddress.get(address)?.get(key) ?? this.#byAddress.get(null)?.get(key)
  }

  /** Applies one record. Call it in log order, for each record once. */
  replay({ entity, key, value }: ClientQuotaRecord): void {
    const id = entityKey(entity)
    const known = this.#entities.get(id)
    const values = known?.values ?? new Map<string, number>()
    const hadIt = values.has(key)
    if (value === null) values.delete(key)
    else values.set(key, value)
    this.#count(key, Number(values.has(key)) - Number(hadIt))
    if (known === undefined && values.size > 0) {
      this.#entities.set(id, { entity, values })
      this.#index(entity, values)
    } else if (known !== undefined && values.size === 0) {
      this.#entities.delete(id)
      this.#unindex(entity)
    }
  }

  #bound(
    key: QuotaKey,
    user: string | null | undefined,
    clientId: string | null | undefined,
  ): number | undefined {
    return this.#byUser.get(user)?.get(clientId)?.get(key)
  }

  #count(key: string, change: number): void {
    const count = (this.#counts.get(key) ?? 0) + change
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }

  #index(entity: QuotaEntity, values: Values): void {
    const { ip, user, 'client-id': clientId } = entity
    if (ip !== undefined) {
      this.#byAddress.set(addressOf(ip), values)
      return
    }
    const ofUser = this.#byUser.get(user) ?? new Map<string | null | undefined, Values>()
    ofUser.set(clientId, values)
    this.#byUser.set(user, ofUser)
  }

  #unindex({ ip, user, 'client-id': clientId }: QuotaEntity): void {
    if (ip !== undefined) {
      this.#byAddress.delete(addressOf(ip))
      return
    }
    const ofUser = this.#byUser.get(user)
    ofUser?.delete(clientId)
    if (ofUser?.size === 0) this.#byUser.delete(user)
  }
}

type Values = ReadonlyMap<string, number>
const NO_VALUES: Values = new Map()

function addressOf(ip: string | null): string | null {
  return ip === null ? null : (canonicalAddress(ip) ?? ip)
}
