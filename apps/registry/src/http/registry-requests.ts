import type {
  Decision,
  Failure,
  Outcome,
  Profile,
  SchemaRegistry,
  SchemaVersion,
  SubjectView,
} from '@fairlead/schemas'
import type { FastifyRequest } from 'fastify'
import type { RegistryStore } from '../store/registry-store.ts'
import { type HttpFailure, failureOf } from './errors.ts'

/** What the user of a request may do, as the image is now. */
export interface Permissions {
  /** @throws {HttpFailure} 403 unless the user may do what the request asks for. */
  check(request: FastifyRequest): void
  mayRead(request: FastifyRequest, subject: string): boolean
}

/** Where there are no users, everybody may do everything. */
const ALL_PERMISSIONS: Permissions = { check: () => undefined, mayRead: () => true }

/** Of the image; it is also told which subjects the user may read. */
type Question<Value> = (view: SubjectView, mayRead: (subject: string) => boolean) => Outcome<Value>

/**
 * How routes reach the registry: reads that see everything written before, and writes.
 *
 * Permissions hang on the image (who holds an id, where an alias leads), which another registry may
 * change at any time: they are checked in the same step as the answer is found.
 */
export class RegistryRequests {
  readonly registry: SchemaRegistry
  readonly #store: RegistryStore
  readonly #permissions: Permissions

  constructor(
    registry: SchemaRegistry,
    store: RegistryStore,
    permissions: Permissions = ALL_PERMISSIONS,
  ) {
    this.registry = registry
    this.#store = store
    this.#permissions = permissions
  }

  /** The same for users who may not do everything. */
  limitedTo(permissions: Permissions): RegistryRequests {
    return new RegistryRequests(this.registry, this.#store, permissions)
  }

  get profile(): Profile {
    return this.registry.profile
  }

  /**
   * Answers from memory. What is not there may have been written by another registry a moment ago:
   * only then the log is asked for its end, and the question again.
   *
   * @throws {HttpFailure} the failure of the outcome, or 403.
   * @throws {StoreError} before the log has been read for the first time.
   */
  async read<Value>(request: FastifyRequest, ask: Question<Value>): Promise<Value> {
    await this.untilCaughtUp()
    let outcome = this.#checkAndAsk(request, ask)
    if (!outcome.ok && String(outcome.failure.errorCode).startsWith('404')) {
      await this.#store.catchUp()
      outcome = this.#checkAndAsk(request, ask)
    }
    if (outcome.ok) return outcome.value
    throw this.#failure(outcome.failure)
  }

  /**
   * As `read`, without a promise where the answer is in memory, as it nearly always is.
   *
   * @throws {HttpFailure} 403; every other failure rejects.
   */
  readAtOnce<Value>(request: FastifyRequest, ask: Question<Value>): Value | Promise<Value> {
    if (!this.#store.isCaughtUp) return this.read(request, ask)
    const outcome = this.#checkAndAsk(request, ask)
    return outcome.ok ? outcome.value : this.read(request, ask)
  }

  #checkAndAsk<Value>(request: FastifyRequest, ask: Question<Value>): Outcome<Value> {
    this.#permissions.check(request)
    return ask(this.registry.view, (subject) => this.#permissions.mayRead(request, subject))
  }

  /** Answers once everything that was in the log at start has been read. @throws {StoreError} */
  async untilCaughtUp(): Promise<void> {
    if (!this.#store.isCaughtUp) await this.#store.catchUp()
  }

  /** The text of a version in the format that the query asks for. */
  textOf(version: SchemaVersion, format: string | undefined): string {
    const text = this.registry.textOf(version, format)
    if (text.ok) return text.value
    throw this.#failure(text.failure)
  }

  /** @throws {HttpFailure} @throws {StoreError} */
  async write<Value>(
    request: FastifyRequest,
    decide: (registry: SchemaRegistry) => Decision<Value>,
  ): Promise<Value> {
    const outcome = await this.#store.write(() => {
      this.#permissions.check(request)
      return decide(this.registry)
    })
    if (outcome.ok) return outcome.value
    throw this.#failure(outcome.failure)
  }

  /** Of Kafka; null where the cluster has none. @throws {StoreError} */
  clusterId(): Promise<string | null> {
    return this.#store.clusterId()
  }

  #failure(failure: Failure): HttpFailure {
    return failureOf(failure, this.profile)
  }
}
