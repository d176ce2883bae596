import { CoalescingCache } from './coalescing-cache.ts'
import { RegistryError } from './registry-error.ts'
import { RegistryHttp, type RegistryHttpOptions } from './registry-http.ts'
import type {
  CompatibilityVerdict,
  ReaderReport,
  RegisteredSchema,
  RegistryClient,
  SchemaReference,
  SchemaText,
  StoredSchema,
  SubjectVersion,
} from './types.ts'
import type { RecordPart } from './subject-name.ts'
import type { SchemaName } from './wire-format.ts'

export type RegistryClientOptions = RegistryHttpOptions & {
  /** Schemas kept by id, and by subject and text. Default 1 000 each. */
  readonly cacheEntriesMax?: number
}

const CACHE_ENTRIES_MAX = 1_000

/** A client of Confluent's REST API. See {@link RegistryClient} for how it fails. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  return new HttpRegistryClient(options)
}

class HttpRegistryClient implements RegistryClient {
  readonly #http: RegistryHttp
  readonly #byId: CoalescingCache<number, RegisteredSchema>
  readonly #byGuid: CoalescingCache<string, StoredSchema>
  readonly #idByText: CoalescingCache<string, number>

  constructor(options: RegistryClientOptions) {
    const { cacheEntriesMax: entriesMax = CACHE_ENTRIES_MAX } = options
    this.#http = new RegistryHttp(options)
    this.#byId = new CoalescingCache({ entriesMax })
    this.#byGuid = new CoalescingCache({ entriesMax })
    this.#idByText = new CoalescingCache({ entriesMax })
  }

  register(subject: string, schema: SchemaText): Promise<number> {
    const key = JSON.stringify([subject, schema.schema, schema.references ?? []])
    return this.#idByText.get(key, async () => {
      const path = `/subjects/${encodeURIComponent(subject)}/versions`
      const answer = await this.#http.request({ method: 'POST', path, body: bodyOf(schema) })
      return integer(answer, 'id')
    })
  }

  async lookup(
    subject: string,
    schema: SchemaText,
    { deleted = false }: { readonly deleted?: boolean } = {},
  ): Promise<SubjectVersion> {
    const path = `/subjects/${encodeURIComponent(subject)}${deleted ? '?deleted=true' : ''}`
    return subjectVersion(await this.#http.request({ method: 'POST', path, body: bodyOf(schema) }))
  }

  schemaById(schemaId: number): Promise<RegisteredSchema> {
    return this.#byId.get(schemaId, async () => {
      const path = `/schemas/ids/${schemaId}`
      return registeredSchema(await this.#http.request({ method: 'GET', path }), schemaId)
    })
  }

  schemaByGuid(guid: string): Promise<StoredSchema> {
    return this.#byGuid.get(guid, async () => {
      const path = `/schemas/guids/${encodeURIComponent(guid)}`
      return storedSchema(await this.#http.request({ method: 'GET', path }))
    })
  }

  async associatedSubjects(topic: string, part: RecordPart, clusterId = '-'): Promise<string[]> {
    const resource = `${encodeURIComponent(clusterId)}/${encodeURIComponent(topic)}`
    const path = `/associations/resources/${resource}?resourceType=topic&associationType=${part}`
    try {
      const answer = await this.#http.request({ method: 'GET', path })
      if (!Array.isArray(answer)) throw malformed('associations')
      return answer.map((association) => text(association, 'subject'))
    } catch (error) {
      // Registries before Confluent 8.2 have no such path.
      if (error instanceof RegistryError && error.status === 404) return []
      throw error
    }
  }

  async reportReader(written: SchemaName, { group, member, schema }: ReaderReport): Promise<void> {
    const kind = typeof written === 'number' ? 'ids' : 'guids'
    const path = `/readers/${kind}/${encodeURIComponent(written)}`
    await this.#http.requestAll({
      method: 'POST',
      path,
      body: { ...bodyOf(schema), group, member },
    })
  }

  async version(subject: string, version: number | 'latest'): Promise<SubjectVersion> {
    // Who names a number has it from something that was written or refers to it.
    const query = version === 'latest' ? '' : '?deleted=true'
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}${query}`
    return subjectVersion(await this.#http.request({ method: 'GET', path }))
  }

  async testCompatibility(subject: string, schema: SchemaText): Promise<CompatibilityVerdict> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions?verbose=true`
    const answer = await this.#http.request({ method: 'POST', path, body: bodyOf(schema) })
    const { is_compatible: isCompatible, messages } = membersOf(answer)
    if (typeof isCompatible !== 'boolean') throw malformed('is_compatible')
    return { isCompatible, messages: Array.isArray(messages) ? messages.map(String) : [] }
  }
}

function bodyOf({ schema, references = [] }: SchemaText): object {
  return references.length === 0 ? { schema } : { schema, references }
}

function subjectVersion(answer: unknown): SubjectVersion {
  return {
    ...registeredSchema(answer, integer(answer, 'id')),
    subject: text(answer, 'subject'),
    version: integer(answer, 'version'),
  }
}

function registeredSchema(answer: unknown, schemaId: number): RegisteredSchema {
  return { ...storedSchema(answer), schemaId }
}

function storedSchema(answer: unknown): StoredSchema {
  const { schemaType, references, guid } = membersOf(answer)
  return {
    schema: text(answer, 'schema'),
    // Confluent leaves it out for Avro in older versions.
    schemaType: typeof schemaType === 'string' ? schemaType : 'AVRO',
    references: Array.isArray(references) ? references.map(reference) : [],
    ...(typeof guid === 'string' ? { guid } : {}),
  }
}

function reference(item: unknown): SchemaReference {
  return {
    name: text(item, 'name'),
    subject: text(item, 'subject'),
    version: integer(item, 'version'),
  }
}

/** Of what a proxy answers in the place of a registry there may be none. */
function membersOf(answer: unknown): Readonly<Record<string, unknown>> {
  return (answer ?? {}) as Readonly<Record<string, unknown>>
}

function text(answer: unknown, name: string): string {
  const value = membersOf(answer)[name]
  if (typeof value !== 'string') throw malformed(name)
  return value
}

function integer(answer: unknown, name: string): number {
  const value = membersOf(answer)[name]
  if (typeof value !== 'number' || !Number.isInteger(value)) throw malformed(name)
  return value
}

function malformed(name: string): RegistryError {
  return new RegistryError(`the answer of the registry has no valid "${name}"`, {
    retryable: false,
  })
}
