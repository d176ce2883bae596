import {
  type AnyEvents,
  type AvroSchema,
  type EventOf,
  type EventTypeOf,
  parseSchema,
} from '@fairlead/avro'
import { OperationalError } from '@fairlead/base'
import { JsonClient } from '@fairlead/json-http'
import { dataOfJson, jsonOfData } from './json-data.ts'

export type DeadLettersOptions<S extends AnyEvents> = {
  /** HTTP address of any projector that runs the projection. */
  readonly url: string
  /** The projector's `http.auth.bearer.token`. */
  readonly token?: string
  /** Name of the projection. */
  readonly projection: string
  /** Without it the version that is live. */
  readonly version?: number
  /** The events of the projection: they give letters their types. */
  readonly events: S
  /** How long an answer may take; default 30 s, in which a projector gives a dry run up. */
  readonly timeoutMs?: number
  /** Default: the global one. */
  readonly fetch?: typeof fetch
}

/** Who does something, and why: kept with the letter as it was. */
export type Actor = { readonly actor: string; readonly reason: string }

/** Which letters. A cause or a class of error stands, in a replay, for the whole keys that it parks. */
export type LetterSelection =
  | { readonly id: string }
  | { readonly key: string }
  | { readonly tenant: string }
  | { readonly fingerprint: string }
  | { readonly errorClass: string }
  | { readonly all: true }

export type CauseFilter = {
  readonly tenant?: string
  readonly fingerprint?: string
  readonly errorClass?: string
}

export type ParkedKey = {
  readonly version: number
  readonly key: string
  /** Whose it is; empty without tenants. */
  readonly tenant: string
  readonly topic: string
  readonly partition: number
  readonly letters: number
  readonly parkedAt: string
  /** Replays and tries that failed. */
  readonly attempts: number
  /** Those of them, of the letter at its head, that nobody asked for. */
  readonly timedTries: number
  /** When it is tried again by itself; null: not before somebody asks for it. */
  readonly nextTryAt: string | null
  readonly isDraining: boolean
  /** The letter that is applied first, for `letter`. */
  readonly headId: string | null
  readonly errorClass: string | null
  readonly errorMessage: string | null
  readonly fingerprint: string | null
}

/** The event of a letter, with the types that its schema gives it. */
type LetterEvent<S extends AnyEvents> = {
  [T in EventTypeOf<S>]: Pick<EventOf<S, T>, 'type' | 'data'>
}[EventTypeOf<S>]

export type DeadLetter<S extends AnyEvents> = {
  readonly id: string
  readonly version: number
  readonly key: string
  /** Whose it is; empty without tenants. */
  readonly tenant: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The timestamp of the record. */
  readonly eventTime: string
  /** Of the event's headers. */
  readonly traceparent: string | null
  readonly kind: 'failed' | 'blocked'
  /** The letter at the head of its key, which it waits for; null for that one. */
  readonly blockedBy: string | null
  readonly stage: string | null
  readonly errorClass: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  readonly fingerprint: string | null
  readonly attempts: number
  /** When it was set aside. */
  readonly firstAt: string
  /** When it was tried last. */
  readonly lastAt: string
  /** When its key is tried again by itself; null where nobody does, and behind the letter that is. */
  readonly nextTryAt: string | null
  readonly isEdited: boolean
  /** Null for a record that names none. */
  readonly eventType: string | null
  /** Null when the value cannot be decoded. */
  readonly event: LetterEvent<S> | null
  /** Why the value cannot be decoded. */
  readonly undecodable: string | null
}

export type ReplayResult = {
  /** Names the replay to `replayResult`. */
  readonly request: string
  readonly replayed: number
  /** Keys whose letter failed again. */
  readonly failedKeys: number
  /** Keys that are still to go: `signal` has fired, or the projection is paused. */
  readonly pendingKeys: number
  /** Who paused the projection; null unless somebody did. What is pending waits until it is resumed. */
  readonly pausedBy: string | null
}

export type DryRun = {
  readonly appliedCount: number
  readonly failed: readonly {
    readonly id: string
    readonly errorClass: string
    readonly errorMessage: string
  }[]
  /** Numbers that a double would round are strings, digit by digit. */
  readonly changes: readonly {
    readonly table: string
    readonly before: Readonly<Record<string, unknown>> | null
    readonly after: Readonly<Record<string, unknown>> | null
  }[]
  /** There are more letters than one run takes. */
  readonly isCut: boolean
}

/** The projector refuses, or does not answer. `code` is its own, such as NOT_FOUND, or NETWORK, TIMEOUT, ABORTED. */
export class DeadLettersError extends OperationalError {
  override readonly name = 'DeadLettersError'
}

/** The dead letters of a projection. Every method rejects with a `DeadLettersError`. */
export interface DeadLetters<S extends AnyEvents> {
  /** Parked keys, the oldest first. */
  keys(filter?: CauseFilter & { readonly olderThanMs?: number }): AsyncIterable<ParkedKey>
  /** One letter; `NOT_FOUND` once it was replayed or discarded. */
  letter(id: string): Promise<DeadLetter<S>>
  /** Letters in the order in which they were set aside. */
  letters(
    filter?: CauseFilter & { readonly key?: string; readonly kind?: 'failed' | 'blocked' },
  ): AsyncIterable<DeadLetter<S>>
  /**
   * Applies letters again, each key in its order, and waits until it is done, `signal` fires, or the
   * projection is paused. The first letter of a key that fails again ends the replay of that key.
   */
  replay(
    selection: LetterSelection,
    options: Actor & {
      /** At most so many a second, per partition. */
      readonly lettersPerSecond?: number
      readonly signal?: AbortSignal
    },
  ): Promise<ReplayResult>
  /** How far a replay is that was asked for, by anybody. */
  replayResult(request: string): Promise<ReplayResult>
  /** What a replay would change, found out in a transaction that is rolled back. */
  dryRun(selection: LetterSelection): Promise<DryRun>
  /**
   * Has `change` of the event's data applied in its place, once it fits the schema. The original stays
   * as it is. The projector refuses with EDIT_REFUSED. In a union with `string`, a time, bytes, and a long beyond 2^53
   * become a string: JSON tells them apart no further.
   */
  edit(
    id: string,
    change: (event: LetterEvent<S>) => LetterEvent<S>['data'],
    actor: Actor,
  ): Promise<void>
  /** Gives letters up; answers how many. */
  discard(selection: LetterSelection, actor: Actor): Promise<number>
}

const PAGE_LETTERS = 100
const POLL_INTERVAL_MS = 200

export function createDeadLetters<S extends AnyEvents>(
  options: DeadLettersOptions<S>,
): DeadLetters<S> {
  return new HttpDeadLetters(options)
}

type LetterJson = Omit<DeadLetter<AnyEvents>, 'event'> & { readonly value: unknown }

class HttpDeadLetters<S extends AnyEvents> implements DeadLetters<S> {
  readonly #options: DeadLettersOptions<S>
  readonly #http: JsonClient
  /** By event type. */
  readonly #schemas = new Map<string, AvroSchema>()

  constructor(options: DeadLettersOptions<S>) {
    this.#options = options
    this.#http = new JsonClient(
      'projector',
      options,
      (message, of) => new DeadLettersError(message, of),
    )
  }

  async *keys(filter: Readonly<Record<string, unknown>> = {}): AsyncGenerator<ParkedKey> {
    for (let place = {}; ; ) {
      const { keys, next } = await this.#get<{
        readonly keys: readonly ParkedKey[]
        readonly next: string | null
      }>(`/dead-letters/keys?${this.#query({ ...filter, ...place })}`)
      yield* keys
      if (next === null) return
      place = { after: next }
    }
  }

  async *letters(filter: Readonly<Record<string, unknown>> = {}): AsyncGenerator<DeadLetter<S>> {
    for (let after = '0'; ; ) {
      const { deadLetters } = await this.#get<{
        readonly deadLetters: readonly { readonly id: string }[]
      }>(`/dead-letters?${this.#query({ ...filter, after })}`)
      for (const { id } of deadLetters) {
        const letter = await this.#letterIfThere(id)
        if (letter !== undefined) yield letter
      }
      const last = deadLetters.at(-1)
      if (last === undefined || deadLetters.length < PAGE_LETTERS) return
      after = last.id
    }
  }

  async replay(
    selection: LetterSelection,
    options: Parameters<DeadLetters<S>['replay']>[1],
  ): Promise<ReplayResult> {
    const { signal, ...order } = options
    if (isAborted(signal)) {
      throw new DeadLettersError('the replay was given up before it was asked for', {
        code: 'ABORTED',
        retryable: false,
        cause: signal?.reason,
      })
    }
    const { request } = await this.#send<{ readonly request: string }>(
      'POST',
      '/dead-letters/replay',
      { ...this.#target, ...selection, ...order },
    )
    for (;;) {
      const result = await this.#resultOf(request)
      const isOver = result.pendingKeys === 0 || result.pausedBy !== null
      if (isOver || isAborted(signal)) return result
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
    }
  }

  /** The replay is carried out although nobody learns of it: the error names it. */
  async #resultOf(request: string): Promise<ReplayResult> {
    try {
      return await this.replayResult(request)
    } catch (error) {
      if (!(error instanceof DeadLettersError)) throw error
      const { code, retryable, message } = error
      const text = `replay ${request} was asked for, but how far it is cannot be told: ${message}`
      throw new DeadLettersError(text, { code, retryable, cause: error })
    }
  }

  replayResult(request: string): Promise<ReplayResult> {
    return this.#get(`/dead-letters/replays/${encodeURIComponent(request)}`)
  }

  dryRun(selection: LetterSelection): Promise<DryRun> {
    return this.#send('POST', '/dead-letters/dry-run', { ...this.#target, ...selection })
  }

  async edit(
    id: string,
    change: (event: LetterEvent<S>) => LetterEvent<S>['data'],
    actor: Actor,
  ): Promise<void> {
    const { event } = await this.letter(id)
    if (event === null) {
      throw new DeadLettersError(`the value of letter ${id} cannot be decoded`, {
        code: 'EDIT_REFUSED',
        retryable: false,
      })
    }
    const value = jsonOfData(change(event))
    await this.#send('PUT', `${pathOf(id)}/value`, { value, ...actor })
  }

  async discard(selection: LetterSelection, actor: Actor): Promise<number> {
    const { discarded } = await this.#send<{ readonly discarded: number }>(
      'POST',
      '/dead-letters/discard',
      { ...this.#target, ...selection, ...actor },
    )
    return discarded
  }

  /** Undefined when it was replayed or discarded since it was listed. */
  async #letterIfThere(id: string): Promise<DeadLetter<S> | undefined> {
    try {
      return await this.letter(id)
    } catch (error) {
      if (error instanceof DeadLettersError && error.code === 'NOT_FOUND') return undefined
      throw error
    }
  }

  /** With its personal data: who edits a letter writes all of it. */
  async letter(id: string): Promise<DeadLetter<S>> {
    const letter = await this.#get<LetterJson>(`${pathOf(id)}?reveal=true`)
    const { value, ...rest } = letter
    const schema = this.#schemaOf(rest.eventType ?? '')
    if (schema === undefined || value === null) return { ...rest, event: null }
    const event = { type: rest.eventType, data: dataOfJson(schema, value) }
    // The schema that gives the event its type is the one that it was decoded with.
    return { ...rest, event: event as LetterEvent<S> }
  }

  #schemaOf(eventType: string): AvroSchema | undefined {
    const known = this.#schemas.get(eventType)
    if (known !== undefined) return known
    const definition = this.#options.events.definitions[eventType]
    if (definition === undefined) return undefined
    const { root } = parseSchema(JSON.stringify(definition), { mode: 'lenient' })
    this.#schemas.set(eventType, root)
    return root
  }

  get #target() {
    const { projection, version } = this.#options
    return { projection, ...(version === undefined ? {} : { version }) }
  }

  #query(filter: Readonly<Record<string, unknown>>): string {
    const { projection, version = 'live' } = this.#options
    const all = { projection, version, limit: PAGE_LETTERS, ...filter }
    const given = Object.entries(all).filter(([, value]) => value !== undefined)
    return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  }

  #get<Answer>(path: string): Promise<Answer> {
    return this.#http.ask(path)
  }

  #send<Answer>(method: 'POST' | 'PUT', path: string, body: object): Promise<Answer> {
    return this.#http.ask(path, { method, body })
  }
}

/** Whatever the id is, no other path. */
function pathOf(id: string): string {
  return `/dead-letters/${encodeURIComponent(id)}`
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}
