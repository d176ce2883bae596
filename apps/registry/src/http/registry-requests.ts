import type {
  Decision,
  Failure,
  Outcome,
  Profile,
  SchemaRegistry,
  SchemaVersion,
  SubjectView,
} from '@fairlead/schemas'
import type { RegistryStore } from '../store/registry-store.ts'
import { type HttpFailure, failureOf } from './errors.ts'

/** How routes reach the registry: reads that see everything written before, and writes. */
export class RegistryRequests {
  readonly registry: SchemaRegistry
  readonly #store: RegistryStore

  constructor(registry: SchemaRegistry, store: RegistryStore) {
    this.registry = registry
    this.#store = store
  }

  get profile(): Profile {
    return this.registry.profile
  }

  /**
   * Answers from memory. What is not there may have been written by another registry a moment ago:
   * only then the log is asked for its end, and the question again.
   *
   * @throws {HttpFailure} the failure of the outcome.
   * @throws {StoreError} before the log has been read for the first time.
   */
  async read<Value>(ask: (view: SubjectView) => Outcome<Value>): Promise<Value> {
    if (!this.#store.isCaughtUp) await this.#store.catchUp()
    let outcome = ask(this.registry.view)
    if (!outcome.ok && String(outcome.failure.errorCode).startsWith('404')) {
      await this.#store.catchUp()
      outcome = ask(this.registry.view)
    }
    if (outcome.ok) return outcome.value
    throw this.#failure(outcome.failure)
  }

  /** The text of a version in the format that the query asks for. */
  textOf(version: SchemaVersion, format: string | undefined): string {
    const text = this.registry.textOf(version, format)
    if (text.ok) return text.value
    throw this.#failure(text.failure)
  }

  /** @throws {HttpFailure} @throws {StoreError} */
  async write<Value>(decide: (registry: SchemaRegistry) => Decision<Value>): Promise<Value> {
    const outcome = await this.#store.write(() => decide(this.registry))
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
