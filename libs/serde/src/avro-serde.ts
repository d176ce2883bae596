import { DecodeError, errorMessage } from '@fairlead/base'
import {
  type AvroSchema,
  type ReferencedSchema,
  SchemaError,
  canonicalTextOf,
  parseSchema,
} from '@fairlead/avro'
import { CoalescingCache } from './coalescing-cache.ts'
import { DatumDecoder } from './datum/datum-decoder.ts'
import { DatumEncoder } from './datum/datum-encoder.ts'
import { RegistryError } from './registry-error.ts'
import type {
  AvroDecoder,
  AvroEncoder,
  AvroSerde,
  DecodedValue,
  HeaderAvroEncoder,
  RecordSource,
  RegistryClient,
  SchemaReference,
  SchemaText,
  StoredSchema,
} from './types.ts'
import type { RecordPart } from './subject-name.ts'
import {
  type SchemaName,
  WIRE_PREFIX_BYTES,
  schemaIdHeader,
  withWirePrefix,
  writtenWith,
} from './wire-format.ts'

export type AvroSerdeOptions = {
  readonly registry: RegistryClient
  /** Register schemas that the subject does not have yet; else they must be there. Default true. */
  readonly autoRegister?: boolean
}

/** Pairs of writer's and reader's schema with a compiled decoder. */
const DECODERS_MAX = 1_000
/** Of HTTP. */
const NOT_FOUND = 404

export function createAvroSerde(options: AvroSerdeOptions): AvroSerde {
  return new RegistryAvroSerde(options)
}

class RegistryAvroSerde implements AvroSerde {
  readonly #registry: RegistryClient
  readonly #autoRegister: boolean
  readonly #decoders = new CoalescingCache<string, AvroDecoder>({ entriesMax: DECODERS_MAX })
  readonly #versions = new CoalescingCache<string, number>({ entriesMax: DECODERS_MAX })
  readonly #encoders = new CoalescingCache<string, AvroEncoder>({ entriesMax: DECODERS_MAX })

  constructor({ registry, autoRegister = true }: AvroSerdeOptions) {
    this.#registry = registry
    this.#autoRegister = autoRegister
  }

  encoder(subject: string, schema: SchemaText): Promise<AvroEncoder> {
    return this.#encoders.get(JSON.stringify([subject, schemaKey(schema)]), async () => {
      const schemaId = this.#autoRegister
        ? await this.#registry.register(subject, schema)
        : (await this.#registry.lookup(subject, schema)).schemaId
      const encoder = new DatumEncoder(await this.#parse(schema))
      const encode = (value: unknown): Uint8Array<ArrayBuffer> =>
        withWirePrefix(schemaId, encoder.encode(value))
      return { schemaId, encode }
    })
  }

  async encode(
    subject: string,
    schema: SchemaText,
    value: unknown,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.encoder(subject, schema)).encode(value)
  }

  async headerEncoder(
    subject: string,
    schema: SchemaText,
    part: RecordPart = 'value',
  ): Promise<HeaderAvroEncoder> {
    const { schemaId } = await this.encoder(subject, schema)
    const { guid } = await this.#registry.schemaById(schemaId)
    if (guid === undefined) {
      const message = `the registry tells no GUID of schema ${schemaId}: that takes Confluent 8 or later`
      throw new RegistryError(message, { retryable: false })
    }
    const encoder = new DatumEncoder(await this.#parse(schema))
    return { header: schemaIdHeader(part, guid), encode: (value) => encoder.encode(value) }
  }

  async decode(
    bytes: Uint8Array,
    readerSchema?: SchemaText,
    source?: RecordSource,
  ): Promise<DecodedValue> {
    const { schema, payloadOffset } = writtenWith(bytes, source?.headers, source?.part)
    const decoder = await this.decoder(schema, readerSchema)
    return {
      schemaId: typeof schema === 'number' ? schema : undefined,
      value: decoder.decode(bytes, payloadOffset),
    }
  }

  decoder(schema: SchemaName, readerSchema?: SchemaText): Promise<AvroDecoder> {
    const key = `${schema} ${readerSchema === undefined ? '' : schemaKey(readerSchema)}`
    return this.#decoders.get(key, async () => {
      const decoder = await this.#compile(schema, readerSchema)
      return {
        decode: (bytes, payloadOffset = WIRE_PREFIX_BYTES, end = bytes.length) =>
          decoder.decode(bytes, payloadOffset, end),
      }
    })
  }

  subjectVersion(schema: SchemaName, subject: string): Promise<number> {
    return this.#versions.get(`${schema} ${subject}`, async () => {
      const stored = await this.#stored(schema)
      try {
        return (await this.#registry.lookup(subject, stored)).version
      } catch (error) {
        if (!(error instanceof RegistryError) || error.status !== NOT_FOUND) throw error
        // What was written with a version that has been soft-deleted since then is still to be read.
        return (await this.#registry.lookup(subject, stored, { deleted: true })).version
      }
    })
  }

  async isSchema(named: SchemaName, schema: SchemaText): Promise<boolean> {
    const [one, other] = await Promise.all([
      this.#stored(named).then((stored) => this.#parse(stored)),
      this.#parse(schema),
    ])
    return canonicalTextOf(one, 'equivalence') === canonicalTextOf(other, 'equivalence')
  }

  #stored(schema: SchemaName): Promise<StoredSchema> {
    return typeof schema === 'number'
      ? this.#registry.schemaById(schema)
      : this.#registry.schemaByGuid(schema)
  }

  async #compile(schema: SchemaName, readerSchema: SchemaText | undefined): Promise<DatumDecoder> {
    const registered = await this.#stored(schema)
    if (registered.schemaType !== 'AVRO') {
      throw new DecodeError(`schema ${schema} is ${registered.schemaType}, not AVRO`, 0)
    }
    const writer = await this.#parse(registered)
    // The same text needs no resolution, which takes longer for each value.
    const isWriters =
      readerSchema === undefined || schemaKey(readerSchema) === schemaKey(registered)
    return new DatumDecoder(writer, isWriters ? writer : await this.#parse(readerSchema))
  }

  async #parse({ schema, references = [] }: SchemaText): Promise<AvroSchema> {
    const resolved = await this.#resolve(references)
    try {
      return parseSchema(schema, { mode: 'lenient', references: resolved }).root
    } catch (error) {
      if (!(error instanceof SchemaError) && !(error instanceof DecodeError)) throw error
      throw new RegistryError(`the schema is not valid: ${errorMessage(error)}`, {
        retryable: false,
        cause: error,
      })
    }
  }

  /** Texts of all references, each after those that it uses itself. */
  async #resolve(references: readonly SchemaReference[]): Promise<ReferencedSchema[]> {
    const resolved = new Map<string, ReferencedSchema>()
    const visiting = new Set<string>()
    const visit = async ({ name, subject, version }: SchemaReference): Promise<void> => {
      const key = `${version} ${subject}`
      if (visiting.has(key)) return
      visiting.add(key)
      const target = await this.#registry.version(subject, version)
      for (const inner of target.references) await visit(inner)
      resolved.set(key, { name, text: target.schema })
    }
    for (const reference of references) await visit(reference)
    return [...resolved.values()]
  }
}

function schemaKey({ schema, references = [] }: SchemaText): string {
  return references.length === 0 ? schema : `${schema} ${JSON.stringify(references)}`
}
