import { CoalescingCache } from '../coalescing-cache.ts'
import { RegistryError } from '../registry-error.ts'
import type { RegistryClient } from '../types.ts'
import { avroPayloadEncoder } from './avro-payload.ts'
import { type LoadedSchema, type PayloadEncoder, loadReferences } from './payload-encoder.ts'

export type PayloadEncodersOptions = {
  readonly registry: RegistryClient
  /** Of Protobuf; without it the first message of the file is meant. */
  readonly messageName?: string
  /** How long a version counts as the latest one. */
  readonly latestTtlMs: number
  /** Monotonic. */
  readonly nowMs: () => number
}

type Entry = { readonly encoder: PayloadEncoder; checkedAtMs: number }

const SUBJECTS_MAX = 1_000

/**
 * Encoders for the latest schema of each subject. A subject is asked for again from time to time,
 * beside the work: what is known goes on being used until an answer comes, so that a registry that
 * is down stops nothing that it was asked for before.
 */
export class PayloadEncoders {
  readonly #options: PayloadEncodersOptions
  readonly #bySubject = new Map<string, Entry>()
  readonly #byVersion = new CoalescingCache<string, PayloadEncoder>({ entriesMax: SUBJECTS_MAX })
  readonly #refreshing = new Set<string>()

  constructor(options: PayloadEncodersOptions) {
    this.#options = options
  }

  /** Undefined before the first `load`. */
  known(subject: string): PayloadEncoder | undefined {
    const entry = this.#bySubject.get(subject)
    if (entry === undefined) return undefined
    if (this.#options.nowMs() - entry.checkedAtMs > this.#options.latestTtlMs) {
      this.#refresh(subject, entry)
    }
    return entry.encoder
  }

  /** @throws {RegistryError} */
  async load(subject: string): Promise<PayloadEncoder> {
    const found = await this.#options.registry.version(subject, 'latest')
    const key = `${found.version} ${found.schemaId} ${subject}`
    const encoder = await this.#byVersion.get(key, async () =>
      this.#encoderOf(await loadReferences(this.#options.registry, found)),
    )
    if (this.#bySubject.size >= SUBJECTS_MAX) this.#bySubject.clear()
    this.#bySubject.set(subject, { encoder, checkedAtMs: this.#options.nowMs() })
    return encoder
  }

  #refresh(subject: string, entry: Entry): void {
    if (this.#refreshing.has(subject)) return
    this.#refreshing.add(subject)
    // Also when it fails: not with every event.
    entry.checkedAtMs = this.#options.nowMs()
    this.load(subject)
      .catch(() => undefined)
      .finally(() => this.#refreshing.delete(subject))
  }

  /** The libraries of the other formats are loaded with their first schema: few processes have one. */
  async #encoderOf(loaded: LoadedSchema): Promise<PayloadEncoder> {
    switch (loaded.schemaType) {
      case 'AVRO':
        return avroPayloadEncoder(loaded)
      case 'JSON': {
        const { jsonSchemaPayloadEncoder } = await import('./json-schema-payload.ts')
        return jsonSchemaPayloadEncoder(loaded)
      }
      case 'PROTOBUF': {
        const { protobufPayloadEncoder } = await import('./protobuf-payload.ts')
        return protobufPayloadEncoder(loaded, this.#options.messageName)
      }
      default:
        throw new RegistryError(
          `subject ${loaded.subject} has schemas of type ${loaded.schemaType}, which is unknown here`,
          { retryable: false },
        )
    }
  }
}
