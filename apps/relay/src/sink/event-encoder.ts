import { invariant } from '@fairlead/base'
import {
  RoutedEvent,
  type RoutedParts,
  type UnroutableEvent,
  identityOf,
  orderOf,
} from '@fairlead/cdc'
import {
  EncodeError,
  type PayloadEncoder,
  PayloadEncoders,
  type RegistryClient,
  RegistryError,
  withWirePrefix,
} from '@fairlead/serde'
import type { RegistryOptions } from '../converter-options.ts'
import { SessionFailure } from '../session-failure.ts'

/** What an event has become: whole, or set aside with subject, version and place in the reason. */
export type Encoded = RoutedEvent | UnroutableEvent

const TEXT = new TextDecoder()

/**
 * Finishes events with what the schema registry knows. A registry that does not answer, or knows no
 * such subject, parks nothing: it fails the session, and the next one tries again.
 */
export class EventEncoder {
  readonly #registry: RegistryClient
  readonly #documents: PayloadEncoders
  readonly #schemaType: string | undefined

  constructor(registry: RegistryClient, options: RegistryOptions, nowMs: () => number) {
    this.#registry = registry
    this.#schemaType = options.schemaType
    const { messageName, cacheTtlMs: latestTtlMs } = options
    this.#documents = new PayloadEncoders({
      registry,
      latestTtlMs,
      nowMs,
      ...(messageName !== undefined && { messageName }),
    })
  }

  /** At once for an event that needs no registry, and for a schema that is known. */
  encode(event: RoutedEvent): Encoded | Promise<Encoded> {
    const { encoding } = event
    if (encoding === undefined) return event
    const { documentSubject } = encoding
    if (documentSubject === undefined) return this.#withIds(event)
    const known = this.#documents.known(documentSubject)
    return known === undefined
      ? this.#withNewDocument(event, documentSubject)
      : this.#withDocument(event, known)
  }

  async #withNewDocument(event: RoutedEvent, subject: string): Promise<Encoded> {
    try {
      return this.#withDocument(event, await this.#documents.load(subject))
    } catch (error) {
      throw registryFailure(error, subject)
    }
  }

  #withDocument(event: RoutedEvent, encoder: PayloadEncoder): Encoded {
    const { subject, version, schemaType } = encoder
    if (this.#schemaType !== undefined && schemaType !== this.#schemaType) {
      const reason = `subject ${subject} has schemas of type ${schemaType}, and value.format asks for ${this.#schemaType}`
      throw new SessionFailure({ kind: 'sink-failed', code: 'SCHEMA_TYPE', reason })
    }
    invariant(event.value !== null, 'a tombstone has no document')
    try {
      return whole(event, { value: encoder.encode(TEXT.decode(event.value)) })
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error
      return refused(
        event,
        'SCHEMA_MISMATCH',
        `subject ${subject}, version ${version}: ${error.message}`,
      )
    }
  }

  /** Registers the schemas of Connect's Avro converter, or finds them. */
  async #withIds(event: RoutedEvent): Promise<Encoded> {
    const { topic, key, value, encoding = {} } = event
    const { keySchema, valueSchema } = encoding
    try {
      return whole(event, {
        key: await this.#prefixed(`${topic}-key`, keySchema, key),
        value: await this.#prefixed(`${topic}-value`, valueSchema, value),
      })
    } catch (error) {
      if (!(error instanceof RegistryError) || error.retryable || error.status === undefined) {
        throw registryFailure(error, topic)
      }
      return refused(event, 'SCHEMA_REFUSED', error.message)
    }
  }

  async #prefixed(
    subject: string,
    schema: string | undefined,
    bytes: Uint8Array | null,
  ): Promise<Uint8Array | null> {
    if (schema === undefined || bytes === null) return bytes
    return withWirePrefix(await this.#registry.register(subject, { schema }), bytes)
  }
}

function whole(
  event: RoutedEvent,
  parts: Partial<Pick<RoutedParts, 'key' | 'value'>>,
): RoutedEvent {
  const { encoding: _, ...rest } = event.parts()
  return RoutedEvent.of({ ...rest, ...parts })
}

function refused(
  event: RoutedEvent,
  code: 'SCHEMA_MISMATCH' | 'SCHEMA_REFUSED',
  reason: string,
): UnroutableEvent {
  const { value, eventId } = event
  const order = orderOf(event.headers)
  const unroutable = {
    ...identityOf(event),
    kind: 'unroutable',
    code,
    reason,
    value,
    order,
  } as const
  // An event with an id is routed anew, by what is configured then.
  return eventId === null ? { ...unroutable, unencoded: event } : unroutable
}

function registryFailure(error: unknown, what: string): unknown {
  if (!(error instanceof RegistryError)) return error
  const reason = `the schema registry gives nothing for ${what}: ${error.message}`
  return new SessionFailure({ kind: 'sink-failed', code: error.code, reason }, error)
}
