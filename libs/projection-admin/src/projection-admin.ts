import { OperationalError } from '@fairlead/base'
import { JsonClient, type ServiceAddress } from '@fairlead/json-http'
import type {
  MomentVersion,
  ProjectionStatus,
  ProjectionVersion,
  Promotion,
  PromotionOptions,
  Rebuild,
  RebuildKeysOptions,
  RebuildOptions,
  RebuildProgress,
  RebuiltKeys,
  Retirement,
  Tenant,
  Verification,
  VerifiedPromotionOptions,
} from './answers.ts'

/** The address is that of any projector that has the code of the projections. A promotion and a rollback have 20 s more. */
export type ProjectionAdminOptions = ServiceAddress

/**
 * The projector refuses, or does not answer. `code` is its own, such as UNKNOWN_VERSION or LAGS_BEHIND;
 * NETWORK, TIMEOUT and ROWS_DIFFER are of this library. What is refused only once it is under way has the code that it
 * would have had at once; REBUILD_FAILED and VERIFICATION_FAILED are for what has none of its own.
 */
export class ProjectionAdminError extends OperationalError {
  override readonly name = 'ProjectionAdminError'
}

/** What operators do with projections. Every method rejects with a `ProjectionAdminError`. */
export interface ProjectionAdmin {
  /** Versions of one projection, or of all. */
  versions(name?: string): Promise<readonly ProjectionVersion[]>
  status(name: string): Promise<ProjectionStatus>
  /** Orders that a version be filled beside the live one. Resolves once it is ordered. */
  rebuild(name: string, options?: RebuildOptions): Promise<Rebuild>
  /** Folds the rows of 1 to 10,000 keys anew, in their place, while readers see them. Resolves once that is done. */
  rebuildKeys(
    name: string,
    keys: readonly string[],
    options?: RebuildKeysOptions,
  ): Promise<RebuiltKeys>
  /**
   * Fills a throw-away version with what was committed up to a time, a commit LSN or a commit token; of the
   * code of `version`, by default the newest. Resolves once it is filled.
   */
  rebuildUntil(
    name: string,
    moment: Date | string,
    options?: RebuildOptions,
  ): Promise<MomentVersion>
  /**
   * Folds about `sample` keys again, 1 to 100,000 and by default 100, and compares them with the rows of a version;
   * default: the live one.
   */
  verify(
    name: string,
    options?: RebuildOptions & { readonly sample?: number },
  ): Promise<Verification>
  /**
   * Shows a version to readers, in the place of the one that is live; with `verify` unless some of its rows differ
   * from the log, which is told with the code ROWS_DIFFER.
   */
  promote(name: string, version: number, options?: VerifiedPromotionOptions): Promise<Promotion>
  /** Shows the version again that was live before. */
  rollback(name: string, options?: PromotionOptions): Promise<Promotion>
  /** Drops a version that is not live. Its number is not used again. */
  retire(
    name: string,
    version: number,
    options?: Pick<PromotionOptions, 'acceptLostEffects'>,
  ): Promise<Retirement>
  /** In every process, until it is resumed; without a version, all that follow the log. */
  pause(name: string, options?: { readonly version?: number; readonly by?: string }): Promise<void>
  resume(name: string, options?: { readonly version?: number }): Promise<void>
  /** Tenants whose tables are kept apart. */
  tenants(): Promise<readonly Tenant[]>
  /** Makes the tables of a tenant before his first event. One that is known already stays as he is. */
  addTenant(name: string): Promise<Tenant>
}

const POLL_INTERVAL_MS = 200
/** By then a projector that was restarted answers again: what it does for hours goes on meanwhile, or is taken up. */
const AWAY_MAX_MS = 60_000
const KEYS_SHOWN_MAX = 5
/** It may have waited for readers for all of its own timeout, and takes up to 13 s to end its last attempt. */
const SWAP = { extraMs: 20_000 }
/** Tables go one tenant at a time. */
const RETIREMENT = { extraMs: 15_000 }

export function createProjectionAdmin(options: ProjectionAdminOptions): ProjectionAdmin {
  return new HttpProjectionAdmin(options)
}

class HttpProjectionAdmin implements ProjectionAdmin {
  readonly #http: JsonClient

  constructor(address: ServiceAddress) {
    this.#http = new JsonClient(
      'projector',
      address,
      (message, options) => new ProjectionAdminError(message, options),
    )
  }

  async versions(name?: string): Promise<readonly ProjectionVersion[]> {
    const path = name === undefined ? '/projections' : pathOf(name)
    const { projections } = await this.#get<Versions>(path)
    return projections
  }

  async status(name: string): Promise<ProjectionStatus> {
    const [versions, lags] = await Promise.all([
      this.versions(name),
      this.#get<Lags>(pathOf(name, 'lag')),
    ])
    const live = versions.find((each) => each.live)
    const lag = lags.versions.find(({ version }) => version === live?.version)
    const building = versions.filter(({ version, state }) => {
      const followed = lags.versions.find((each) => each.version === version)
      return state === 'building' || followed?.state === 'catching_up'
    })
    return {
      live: live?.version ?? null,
      building: building.length === 0 ? null : Math.max(...building.map(({ version }) => version)),
      lagRecords: lag?.lagRecords ?? 0,
      lagSeconds: lag === undefined ? null : longest(lag.partitions),
      parkedKeys: live?.parkedKeys ?? 0,
      pausedBy: live?.pausedBy ?? null,
      duplicatesKnownBy: live?.duplicatesKnownBy ?? null,
    }
  }

  async rebuild(name: string, options: RebuildOptions = {}): Promise<Rebuild> {
    const { version } = await this.#post<{ readonly version: number }>(
      pathOf(name, 'rebuild'),
      options,
    )
    return {
      version,
      promote: (promotion) => this.promote(name, version, promotion),
      abort: async ({ by } = {}) => {
        await this.#post(pathOf(name, 'abort'), { version, by })
      },
      rollback: (swap) => this.rollback(name, swap),
      [Symbol.asyncIterator]: () => this.#progress(name, version),
    }
  }

  async *#progress(name: string, version: number): AsyncGenerator<RebuildProgress> {
    for (;;) {
      const { code, reason, eta, state, ...progress } = await this.#look<RebuildJson>(
        pathOf(name, 'rebuild'),
        { version },
      )
      if (state === 'failed' || state === 'retired') {
        throw failed(code ?? 'REBUILD_FAILED', reason ?? `${name} v${version} is ${state}`)
      }
      yield { ...progress, state, eta: eta === null ? null : new Date(eta) }
      if (CAUGHT_UP.has(state)) return
      await untilNextPoll()
    }
  }

  async verify(
    name: string,
    options: RebuildOptions & { readonly sample?: number } = {},
  ): Promise<Verification> {
    const order = await this.#post<Ordered>(pathOf(name, 'verify'), options)
    return this.#resultOf(order, 'VERIFICATION_FAILED')
  }

  async rebuildKeys(
    name: string,
    keys: readonly string[],
    { tenant, ...options }: RebuildKeysOptions = {},
  ): Promise<RebuiltKeys> {
    const body = { keys, ...(tenant === undefined ? {} : { tenant }) }
    const order = await this.#post<Ordered>(pathOf(name, 'rebuild'), options, { body })
    return this.#resultOf(order, 'REBUILD_FAILED')
  }

  async rebuildUntil(
    name: string,
    moment: Date | string,
    options: RebuildOptions = {},
  ): Promise<MomentVersion> {
    const until = moment instanceof Date ? isoText(moment) : moment
    const order = await this.#post<Ordered & MomentVersion>(pathOf(name, 'rebuild'), {
      ...options,
      until,
    })
    await this.#resultOf(order, 'REBUILD_FAILED')
    return { version: order.version, schemaName: order.schemaName }
  }

  async promote(
    name: string,
    version: number,
    options: VerifiedPromotionOptions = {},
  ): Promise<Promotion> {
    const query = { version, ...options }
    if (options.verify !== true) return this.#post(pathOf(name, 'promote'), query, SWAP)
    const order = await this.#post<Ordered>(pathOf(name, 'promote'), query)
    const found = await this.#resultOf<VerifiedPromotion>(order, 'VERIFICATION_FAILED')
    if (found.promoted !== null) return found.promoted
    const keys = [...found.missing, ...found.surplus, ...found.different]
    throw failed(
      'ROWS_DIFFER',
      `${name} v${version} is not shown: its rows differ from the log${keysText(keys)}`,
    )
  }

  /** What has become of an order; waits for its end. */
  async #resultOf<Result>({ jobId }: Ordered, failureCode: string): Promise<Result> {
    for (;;) {
      const { state, result, code, reason } = await this.#look<JobJson<Result>>(
        `/projection-jobs/${jobId}`,
      )
      if (state === 'done') return result
      if (state === 'failed') throw failed(code ?? failureCode, reason ?? 'nothing says why')
      await untilNextPoll()
    }
  }

  rollback(name: string, options: PromotionOptions = {}): Promise<Promotion> {
    return this.#post(pathOf(name, 'rollback'), options, SWAP)
  }

  async retire(
    name: string,
    version: number,
    options: Pick<PromotionOptions, 'acceptLostEffects'> = {},
  ): Promise<Retirement> {
    const query = { version, ...options }
    const { tenantsLeft } = await this.#post<Retirement>(pathOf(name, 'retire'), query, RETIREMENT)
    return { tenantsLeft }
  }

  async pause(
    name: string,
    options: { readonly version?: number; readonly by?: string } = {},
  ): Promise<void> {
    await this.#post(pathOf(name, 'pause'), options)
  }

  async resume(name: string, options: { readonly version?: number } = {}): Promise<void> {
    await this.#post(pathOf(name, 'resume'), options)
  }

  async tenants(): Promise<readonly Tenant[]> {
    const { tenants } = await this.#get<{ readonly tenants: readonly TenantJson[] }>('/tenants')
    return tenants.map(tenantOf)
  }

  async addTenant(name: string): Promise<Tenant> {
    return tenantOf(await this.#post<TenantJson>('/tenants', { name }))
  }

  /** At what goes on whether somebody looks or not: a projector that is away is asked again, for a minute. */
  async #look<Answer>(path: string, query?: Query): Promise<Answer> {
    const startedMs = performance.now()
    for (;;) {
      try {
        return await this.#get(path, query)
      } catch (error) {
        const isAway = error instanceof ProjectionAdminError && error.retryable
        if (!isAway || performance.now() - startedMs > AWAY_MAX_MS) throw error
      }
      await untilNextPoll()
    }
  }

  #get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#http.ask(path + queryText(query))
  }

  #post<Answer>(
    path: string,
    query: Query = {},
    order: { readonly body?: object; readonly extraMs?: number } = {},
  ): Promise<Answer> {
    return this.#http.ask(path + queryText(query), { method: 'POST', ...order })
  }
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>

function queryText(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
  return search.size === 0 ? '' : `?${search.toString()}`
}

type Versions = { readonly projections: readonly ProjectionVersion[] }

type Lags = {
  readonly versions: readonly {
    readonly version: number
    readonly state: string
    readonly lagRecords: number
    readonly partitions: readonly { readonly lagSeconds: number | null }[]
  }[]
}

type RebuildJson = Omit<RebuildProgress, 'eta' | 'state'> & {
  readonly state: RebuildProgress['state'] | 'failed' | 'retired'
  readonly code: string | null
  readonly reason: string | null
  readonly eta: string | null
}

type Ordered = { readonly jobId: string }

type JobJson<Result> = {
  readonly state: string
  readonly code: string | null
  readonly reason: string | null
  /** Null until it is done. */
  readonly result: Result
}

type VerifiedPromotion = Pick<Verification, 'missing' | 'surplus' | 'different'> & {
  /** Null: rows differ. */
  readonly promoted: Promotion | null
}

type TenantJson = Omit<Tenant, 'createdAt'> & { readonly createdAt: string }

function tenantOf({ createdAt, ...tenant }: TenantJson): Tenant {
  return { ...tenant, createdAt: new Date(createdAt) }
}

const CAUGHT_UP: ReadonlySet<string> = new Set(['ready', 'live', 'standby'])

function pathOf(name: string, action?: string): string {
  return `/projections/${encodeURIComponent(name)}${action === undefined ? '' : `/${action}`}`
}

/** Null when it is not known of every partition. */
function longest(partitions: Lags['versions'][number]['partitions']): number | null {
  return partitions.reduce<number | null>(
    (max, { lagSeconds }) =>
      max === null || lagSeconds === null ? null : Math.max(max, lagSeconds),
    0,
  )
}

function keysText(keys: readonly string[]): string {
  return keys.length === 0 ? '' : `, those of ${keys.slice(0, KEYS_SHOWN_MAX).join(', ')}`
}

function isoText(moment: Date): string {
  if (!Number.isNaN(moment.getTime())) return moment.toISOString()
  throw failed('BAD_MOMENT', 'the moment is an invalid Date')
}

function failed(code: string, reason: string): ProjectionAdminError {
  return new ProjectionAdminError(reason, { code, retryable: false })
}

function untilNextPoll(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
}
