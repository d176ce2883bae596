import {
  type Answers,
  type Decision,
  type Failure,
  type Inquiry,
  type InquiryAnswer,
  type InquiryOf,
  type Outcome,
  type Profile,
  type Registration,
  type SchemaRegistry,
  type SchemaRequest,
  type SchemaVersion,
  type SubjectView,
  isSameBasis,
  success,
} from '@fairlead/schemas'
import type { FastifyRequest } from 'fastify'
import type { Inquiries } from '../checking/inquiries.ts'
import type { RegistryStore } from '../store/registry-store.ts'
import { StoreError } from '../store/store-error.ts'
import { type HttpFailure, failureOf } from './errors.ts'

/** What the user of a request may do, as the image is now. */
export interface Permissions {
  /** @throws {HttpFailure} 403 unless the user may do what the request asks for. */
  check(request: FastifyRequest): void
  mayRead(request: FastifyRequest, subject: string): boolean
}

/** Where there are no users, everybody may do everything. */
const ALL_PERMISSIONS: Permissions = { check: () => undefined, mayRead: () => true }

/** Each one in vain means that another client registered under the same subject. */
const JUDGEMENTS_MAX = 20

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
  readonly #inquiries: Inquiries
  readonly #permissions: Permissions

  constructor(
    parts: {
      readonly registry: SchemaRegistry
      readonly store: RegistryStore
      readonly inquiries: Inquiries
    },
    permissions: Permissions = ALL_PERMISSIONS,
  ) {
    this.registry = parts.registry
    this.#store = parts.store
    this.#inquiries = parts.inquiries
    this.#permissions = permissions
  }

  /** The same for users who may not do everything. */
  limitedTo(permissions: Permissions): RegistryRequests {
    const parts = { registry: this.registry, store: this.#store, inquiries: this.#inquiries }
    return new RegistryRequests(parts, permissions)
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
    if (isNotFound(outcome)) {
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

  /**
   * As `read`, for what takes reading schemas.
   *
   * @throws as `read`, and what `Inquiries.answer` throws.
   */
  async inquire<Kind extends Inquiry['kind']>(
    request: FastifyRequest,
    ask: Question<InquiryOf<Kind>>,
  ): Promise<Answers[Kind]> {
    const answered = async (): Promise<InquiryAnswer<Kind>> => {
      const inquiry = this.#checkAndAsk(request, ask)
      return inquiry.ok ? this.#inquiries.answer(inquiry.value) : inquiry
    }
    await this.untilCaughtUp()
    let outcome = await answered()
    if (isNotFound(outcome)) {
      await this.#store.catchUp()
      outcome = await answered()
    }
    if (outcome.ok) return outcome.value
    throw this.#failure(outcome.failure)
  }

  /** The text of a version in the format that the query asks for. @throws {HttpFailure} */
  async textOf(version: SchemaVersion, format: string | undefined): Promise<string> {
    if (format === undefined || format === '') return version.schema
    const { subject } = version
    const text = await this.#inquiries.answer({ kind: 'text', subject, of: version, format })
    if (text.ok) return text.value
    throw this.#failure(text.failure)
  }

  /**
   * Registers a schema under the subject or its alias. What is large is judged before its turn to write
   * comes, and once more when what it was compared with has changed by then.
   *
   * @throws {HttpFailure} @throws {StoreError}
   */
  async register(
    request: FastifyRequest,
    named: string,
    body: SchemaRequest,
  ): Promise<Registration> {
    const { registry } = this
    const asked = () => {
      const subject = registry.view.aliased(named)
      const inquiry = { kind: 'judge', subject, request: body } as const
      return { subject, inquiry, basis: registry.inquiryBasis(inquiry) }
    }
    await this.untilCaughtUp()
    for (let attempt = 1; attempt <= JUDGEMENTS_MAX; attempt += 1) {
      this.#permissions.check(request)
      const before = asked()
      const judged = this.#inquiries.isForThread(before.inquiry, before.basis)
        ? await this.#inquiries.answer(before.inquiry, before.basis)
        : undefined
      const registered = await this.write(request, (): Decision<Registration | undefined> => {
        const { subject, inquiry, basis } = asked()
        if (!this.#inquiries.isForThread(inquiry, basis))
          return registry.decideRegister(subject, body)
        const isJudged = judged !== undefined && isSameBasis(before.basis, basis)
        return isJudged
          ? registry.decideRegister(subject, body, judged)
          : { records: [], response: success(undefined) }
      })
      if (registered !== undefined) return registered
    }
    const message = `Subject '${named}' changed ${JUDGEMENTS_MAX} times while a schema was checked`
    throw new StoreError(message, { errorCode: 50001 })
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

function isNotFound(outcome: Outcome<unknown>): boolean {
  return !outcome.ok && String(outcome.failure.errorCode).startsWith('404')
}
