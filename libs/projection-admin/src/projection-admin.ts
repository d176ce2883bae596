import { OperationalError } from '@fairlead/base'
import { JsonClient, type ServiceAddress } from '@fairlead/json-http'
import type {
  ProjectionStatus,
  ProjectionVersion,
  Promotion,
  PromotionOptions,
  Rebuild,
  RebuildOptions,
  RebuildProgress,
  Verification,
} from './answers.ts'

/** The address is that of any projector that has the code of the projections. A promotion and a rollback have 20 s more. */
export type ProjectionAdminOptions = ServiceAddress

/**
 * The projector refuses, or does not answer. `code` is its own, such as UNKNOWN_VERSION or LAGS_BEHIND;
 * NETWORK, TIMEOUT, REBUILD_FAILED and VERIFICATION_FAILED are of this library.
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
  /** Folds about `sample` keys again, and compares them with the rows of a version; default: the live one. */
  verify(
    name: string,
    options?: RebuildOptions & { readonly sample?: number },
  ): Promise<Verification>
  /** Shows a version to readers, in the place of the one that is live. */
  promote(name: string, version: number, options?: PromotionOptions): Promise<Promotion>
  /** Shows the version again that was live before. */
  rollback(name: string, options?: PromotionOptions): Promise<Promotion>
  /** Drops a version that is not live. Its number is not used again. */
  retire(
    name: string,
    version: number,
    options?: Pick<PromotionOptions, 'acceptLostEffects'>,
  ): Promise<void>
  /** In every process, until it is resumed; without a version, all that follow the log. */
  pause(name: string, options?: { readonly version?: number; readonly by?: string }): Promise<void>
  resume(name: string, options?: { readonly version?: number }): Promise<void>
}

const POLL_INTERVAL_MS = 200
/** It may have waited for readers for all of its own timeout, and takes up to 13 s to end its last attempt. */
const SWAP = { extraMs: 20_000 }

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
      [Symbol.asyncIterator]: () => this.#progress(name, version),
    }
  }

  async *#progress(name: string, version: number): AsyncGenerator<RebuildProgress> {
    for (;;) {
      const { reason, eta, ...progress } = await this.#get<RebuildJson>(pathOf(name, 'rebuild'), {
        version,
      })
      if (progress.state === 'failed' || progress.state === 'retired') {
        throw failed('REBUILD_FAILED', reason ?? `${name} v${version} is ${progress.state}`)
      }
      yield { ...progress, eta: eta === null ? null : new Date(eta) }
      if (CAUGHT_UP.has(progress.state)) return
      await untilNextPoll()
    }
  }

  async verify(
    name: string,
    options: RebuildOptions & { readonly sample?: number } = {},
  ): Promise<Verification> {
    const { jobId } = await this.#post<{ readonly jobId: string }>(pathOf(name, 'verify'), options)
    for (;;) {
      const { state, result, reason } = await this.#get<JobJson>(`/projection-jobs/${jobId}`)
      if (state === 'done' && result !== null) return result
      if (state === 'failed') throw failed('VERIFICATION_FAILED', reason ?? 'nothing says why')
      await untilNextPoll()
    }
  }

  promote(name: string, version: number, options: PromotionOptions = {}): Promise<Promotion> {
    return this.#post(pathOf(name, 'promote'), { version, ...options }, SWAP)
  }

  rollback(name: string, options: PromotionOptions = {}): Promise<Promotion> {
    return this.#post(pathOf(name, 'rollback'), options, SWAP)
  }

  async retire(
    name: string,
    version: number,
    options: Pick<PromotionOptions, 'acceptLostEffects'> = {},
  ): Promise<void> {
    await this.#post(pathOf(name, 'retire'), { version, ...options })
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

  #get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#http.ask(path + queryText(query))
  }

  #post<Answer>(path: string, query: Query = {}, { extraMs = 0 } = {}): Promise<Answer> {
    return this.#http.ask(path + queryText(query), { method: 'POST', extraMs })
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

type RebuildJson = Omit<RebuildProgress, 'eta'> & {
  readonly reason: string | null
  readonly eta: string | null
}

type JobJson = {
  readonly state: string
  readonly reason: string | null
  readonly result: Verification | null
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

function failed(code: string, reason: string): ProjectionAdminError {
  return new ProjectionAdminError(reason, { code, retryable: false })
}

function untilNextPoll(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
}
