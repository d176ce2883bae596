import {
  type Answers,
  type Decision,
  type Failure,
  type Inquiry,
  type InquiryAnswer,
  type InquiryBasis,
  type InquiryOf,
  type Outcome,
  type Profile,
  type Registration,
  type SchemaRegistry,
  type SchemaRequest,
  type SchemaTags,
  type SchemaVersion,
  type SubjectView,
  isSameBasis,
  refusal,
  success,
} from '@fairlead/schemas'
import { invariant } from '@fairlead/base'
import type { FastifyRequest } from 'fastify'
import type { Role } from '../security/users.ts'
import type { Inquiries } from '../checking/inquiries.ts'
import type { RegistryStore } from '../store/registry-store.ts'
import { StoreError } from '../store/store-error.ts'
import { type HttpFailure, failureOf } from './errors.ts'
import { type SubjectTurn, SubjectTurns } from './subject-turns.ts'

/** What the user of a request may do, as the image is now. */
export interface Permissions {
  /** @throws {HttpFailure} 403 unless the user may do what the request asks for. */
  check(request: FastifyRequest): void
  may(request: FastifyRequest, role: Role, subject: string): boolean
}

/** Where there are no users, everybody may do everything. */
const ALL_PERMISSIONS: Permissions = { check: () => undefined, may: () => true }

/** Each one in vain means that another client registered under the same subject; then the writer gets a turn. */
const JUDGEMENTS_BEFORE_TURN = 3
/** Each one in vain means that another registry did. */
const JUDGEMENTS_IN_TURN_MAX = 20

/** Of the image; it is also told which subjects the user may read. */
type Question<Value> = (view: SubjectView, mayRead: (subject: string) => boolean) => Outcome<Value>

/** A schema on its way into a subject; undefined where a plan has none. */
type SchemaToRegister = { readonly subject: string; readonly schema: SchemaRequest | undefined }

/** A write that registers schemas. */
type SchemasToWrite<Plan extends SchemaToRegister, Value> = {
  /** What is to be registered, as the image is now. */
  readonly plan: () => Outcome<readonly Plan[]>
  readonly decide: (
    plans: readonly Plan[],
    judged: readonly (InquiryAnswer<'judge'> | undefined)[],
  ) => Decision<Value>
}

/** What has been found, unless that has to be found once more. */
type Found<Value> = { readonly value: Value } | 'again'

type JudgedOnBasis = { readonly basis: InquiryBasis; readonly answer: InquiryAnswer<'judge'> }

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
  readonly #turns: SubjectTurns

  constructor(
    parts: {
      readonly registry: SchemaRegistry
      readonly store: RegistryStore
      readonly inquiries: Inquiries
    },
    permissions: Permissions = ALL_PERMISSIONS,
    turns: SubjectTurns = new SubjectTurns(),
  ) {
    this.registry = parts.registry
    this.#store = parts.store
    this.#inquiries = parts.inquiries
    this.#permissions = permissions
    this.#turns = turns
  }

  /** The same for users who may not do everything. */
  limitedTo(permissions: Permissions): RegistryRequests {
    const parts = { registry: this.registry, store: this.#store, inquiries: this.#inquiries }
    return new RegistryRequests(parts, permissions, this.#turns)
  }

  /** Whether everything that was in the log at start has been read. */
  get isCaughtUp(): boolean {
    return this.#store.isCaughtUp
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
    return ask(this.registry.view, (subject) => this.may(request, 'read', subject))
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
   * Tagged records and fields of a version, those of schemas that it refers to among them if the user may read
   * them.
   *
   * @throws {HttpFailure}
   */
  async tagsOf(request: FastifyRequest, version: SchemaVersion): Promise<readonly SchemaTags[]> {
    const { subject } = version
    const question = { kind: 'tags', subject, of: version } as const
    // Those that references refer to are among them.
    const { versions } = this.registry.inquiryBasis({ ...question, ofReferences: true })
    const ofReferences = versions.every((each) => this.may(request, 'read', each.subject))
    const inquiry = { ...question, ofReferences }
    const tags = await this.#inquiries.answer(inquiry)
    if (tags.ok) return tags.value
    throw this.#failure(tags.failure)
  }

  /**
   * As `read`, of a list: one that is empty is read once more with what other registries wrote.
   *
   * @throws {HttpFailure} 403. @throws {StoreError}
   */
  async readList<Item>(
    request: FastifyRequest,
    ask: (view: SubjectView, mayRead: (subject: string) => boolean) => readonly Item[],
  ): Promise<readonly Item[]> {
    const asked: Question<readonly Item[]> = (view, mayRead) => success(ask(view, mayRead))
    const found = await this.read(request, asked)
    if (found.length > 0) return found
    await this.#store.catchUp()
    return this.read(request, asked)
  }

  /** Whether the user may act on a subject, where the route alone does not tell which. */
  may(request: FastifyRequest, role: Role, subject: string): boolean {
    return this.#permissions.may(request, role, subject)
  }

  /**
   * Registers a schema under the subject or its alias.
   *
   * @throws {HttpFailure} @throws {StoreError}
   */
  async register(
    request: FastifyRequest,
    named: string,
    ask: (view: SubjectView, subject: string) => Outcome<SchemaRequest>,
  ): Promise<Registration> {
    const { registry } = this
    return this.writeSchemas<SchemaToRegister, Registration>(request, {
      plan: () => {
        const subject = registry.view.aliased(named)
        const asked = ask(registry.view, subject)
        return asked.ok ? success([{ subject, schema: asked.value }]) : asked
      },
      decide: ([asked], [judged]) => {
        invariant(asked?.schema !== undefined, 'a registration is of one schema')
        return registry.decideRegister(asked.subject, asked.schema, judged)
      },
    })
  }

  /**
   * A write that registers schemas. What is large is judged before its turn to write comes, and once more when
   * what it was compared with has changed by then. Who is overtaken too often keeps the others off.
   *
   * @throws {HttpFailure} @throws {StoreError}
   */
  async writeSchemas<Plan extends SchemaToRegister, Value>(
    request: FastifyRequest,
    schemas: SchemasToWrite<Plan, Value>,
  ): Promise<Value> {
    await this.untilCaughtUp()
    for (let attempt = 1; attempt <= JUDGEMENTS_BEFORE_TURN; attempt += 1) {
      const written = await this.#judgeAndWrite(request, schemas)
      if (written !== 'again') return written.value
    }
    return this.#turns.take(
      () => this.#basesOf(schemas.plan()),
      async (turn) => {
        for (let attempt = 1; attempt <= JUDGEMENTS_IN_TURN_MAX; attempt += 1) {
          const written = await this.#judgeAndWrite(request, schemas, turn)
          if (written !== 'again') return written.value
        }
        const message = `Another registry changed a subject ${JUDGEMENTS_IN_TURN_MAX} times while a schema was checked`
        throw new StoreError(message, { errorCode: 50001 })
      },
    )
  }

  async #judgeAndWrite<Plan extends SchemaToRegister, Value>(
    request: FastifyRequest,
    { plan, decide }: SchemasToWrite<Plan, Value>,
    turn?: SubjectTurn,
  ): Promise<Found<Value>> {
    this.#permissions.check(request)
    const before = plan()
    const judged = before.ok ? await Promise.all(before.value.map((each) => this.#judge(each))) : []
    return this.write(
      request,
      (): Decision<Found<Value>> => {
        const now = plan()
        if (!now.ok) return refusal(now)
        const answers = this.#judgedStill(now.value, judged)
        if (answers === undefined) return { records: [], response: success('again') }
        const { records, response } = decide(now.value, answers)
        return { records, response: response.ok ? success({ value: response.value }) : response }
      },
      turn,
    )
  }

  #basesOf(plans: Outcome<readonly SchemaToRegister[]>): readonly InquiryBasis[] {
    if (!plans.ok) return []
    return plans.value.flatMap(({ subject, schema }) =>
      schema === undefined
        ? []
        : [this.registry.inquiryBasis({ kind: 'judge', subject, request: schema })],
    )
  }

  /** What takes long to judge, judged; undefined for what does not. */
  async #judge({ subject, schema }: SchemaToRegister): Promise<JudgedOnBasis | undefined> {
    if (schema === undefined) return undefined
    const inquiry = { kind: 'judge', subject, request: schema } as const
    const basis = this.registry.inquiryBasis(inquiry)
    if (!this.#inquiries.isForThread(inquiry, basis)) return undefined
    return { basis, answer: await this.#inquiries.answer(inquiry, basis) }
  }

  /** The answers that hold for what is stored now; undefined when one has to be found anew. */
  #judgedStill(
    plans: readonly SchemaToRegister[],
    judged: readonly (JudgedOnBasis | undefined)[],
  ): readonly (InquiryAnswer<'judge'> | undefined)[] | undefined {
    const answers: (InquiryAnswer<'judge'> | undefined)[] = []
    for (const [index, { subject, schema }] of plans.entries()) {
      const inquiry = schema && ({ kind: 'judge', subject, request: schema } as const)
      const basis = inquiry && this.registry.inquiryBasis(inquiry)
      const isLarge =
        inquiry !== undefined && basis !== undefined && this.#inquiries.isForThread(inquiry, basis)
      const known = judged[index]
      const holds = isLarge && known !== undefined && isSameBasis(known.basis, basis)
      if (isLarge && !holds) return undefined
      answers.push(holds ? known.answer : undefined)
    }
    return answers
  }

  /**
   * Waits for the turn that another writer of the subject has as it comes.
   *
   * @throws {HttpFailure} @throws {StoreError}
   */
  async write<Value>(
    request: FastifyRequest,
    decide: (registry: SchemaRegistry) => Decision<Value>,
    own?: SubjectTurn,
  ): Promise<Value> {
    const { current } = this.#turns
    if (current !== undefined && current !== own) {
      const written = await this.#write(request, (registry): Decision<Found<Value>> => {
        const { records, response } = decide(registry)
        const isHeld = this.#turns.current === current && current.isChangedBy(records)
        if (isHeld) return { records: [], response: success('again') }
        return { records, response: response.ok ? success({ value: response.value }) : response }
      })
      if (written !== 'again') return written.value
      await this.#turns.untilEnded(current)
    }
    return this.#write(request, decide)
  }

  async #write<Value>(
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
