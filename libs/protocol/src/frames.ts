import { DecodeError, invariant } from '@fairlead/base'
import {
  APIS,
  API_DEFINITIONS,
  type ApiName,
  type RequestBody,
  type RequestOf,
  type ResponseBody,
  type ResponseOf,
  apiByKey,
} from './apis.ts'
import { compileCodec } from './schema/codec.ts'
import type { Fields } from './schema/field.ts'
import { ByteReader } from './wire/byte-reader.ts'
import { ByteWriter, utf8 } from './wire/byte-writer.ts'

/** What every request begins with; the rest of an unknown version may have any form. */
export type RequestStart = {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  /** Stands behind it. */
  readonly rest: ByteReader
}

export type RequestHeader = Omit<RequestStart, 'rest'> & {
  readonly clientId: string | null
  /** Where the body starts in the frame. */
  readonly bodyPosition: number
}

/**
 * Array elements of one request: several times what asks for everything that a broker may hold, and
 * what a broker decodes, and answers, in a few hundred milliseconds.
 */
export const REQUEST_ELEMENTS_MAX: number = 100_000

const SIZE_BYTES = 4
/** In the place of the size of a message, until it is known. */
const SIZE_TO_COME = 0
const INT16_MAX = 0x7fff
const INT32_MAX = 0x7fff_ffff

/**
 * Begins to read a request; `frame` is what follows the 4 bytes of its size. One reader goes through all
 * of it: `readClientId` ends the header, `readBody` follows.
 *
 * @throws {DecodeError} when the frame is too short.
 */
export function openRequest(frame: Uint8Array): RequestStart {
  const rest = new ByteReader(frame, 0, REQUEST_ELEMENTS_MAX)
  return {
    apiKey: rest.int16(),
    apiVersion: rest.int16(),
    correlationId: rest.int32(),
    rest,
  }
}

/**
 * Reads the rest of the header. Header versions 1 and 2 differ in the tagged fields alone: the client id
 * keeps its int16 length.
 *
 * @throws {DecodeError} when the frame is too short or malformed.
 */
export function readClientId({ apiKey, apiVersion, rest }: RequestStart): string | null {
  const clientIdBytes = rest.int16()
  if (clientIdBytes < -1) throw new DecodeError(`client id of ${clientIdBytes} bytes`, 8)
  const clientId = clientIdBytes === -1 ? null : rest.text(clientIdBytes)
  const api = apiByKey(apiKey)
  if (api !== undefined && apiVersion >= api.firstFlexibleVersion) skipTaggedFields(rest)
  return clientId
}

/** The whole header. @throws {DecodeError} when the frame is too short or malformed. */
export function decodeRequestHeader(frame: Uint8Array): RequestHeader {
  const start = openRequest(frame)
  const clientId = readClientId(start)
  const { apiKey, apiVersion, correlationId, rest } = start
  return { apiKey, apiVersion, correlationId, clientId, bodyPosition: rest.position }
}

/**
 * Reads the body of a request. Bytes behind it are ignored, as Kafka ignores them: clients were only
 * ever tested against brokers that do.
 *
 * @throws {DecodeError} when it is malformed, cut short, or of a version that is not described.
 */
export function decodeRequest<Name extends ApiName>(
  name: Name,
  version: number,
  frame: Uint8Array,
  position: number,
): RequestOf<Name> {
  return readBody(name, version, new ByteReader(frame, position, REQUEST_ELEMENTS_MAX))
}

/**
 * The same, from a reader behind the header. It has counted the array elements: what the objects of the
 * request cost is about that.
 *
 * @throws {DecodeError} as `decodeRequest`.
 */
export function readBody<Name extends ApiName>(
  name: Name,
  version: number,
  rest: ByteReader,
): RequestOf<Name> {
  if (!hasVersion(name, version)) throw new DecodeError(`${name} has no version ${version}`, 2)
  return codecOf(name, 'request', version).decode(rest) as RequestOf<Name>
}

/** Whether what `readBody` returns has views of the frame; otherwise the frame may be used again at once. */
export function refersToFrame(name: ApiName, version: number): boolean {
  return codecOf(name, 'request', version).hasViews
}

/** A response with its size and header, as chunks for a gathering write. */
export function encodeResponse<Name extends ApiName>(
  name: Name,
  version: number,
  correlationId: number,
  body: ResponseBody<Name>,
): Uint8Array[] {
  const writer = new ByteWriter()
  writer.int32(SIZE_TO_COME)
  writer.int32(correlationId)
  if (hasTaggedResponseHeader(name, version)) writer.uvarint(0)
  const isApiVersions = name === 'ApiVersions'
  const written = isApiVersions ? visibleTo(version, body as ResponseBody<'ApiVersions'>) : body
  codecOf(name, 'response', version).encode(writer, written)
  return withSize(writer)
}

/** A request with its size and header, as chunks for a gathering write. */
export function encodeRequest<Name extends ApiName>(request: {
  readonly name: Name
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: RequestBody<Name>
}): Uint8Array[] {
  const { name, version, clientId } = request
  const api = APIS[name]
  const writer = new ByteWriter()
  writer.int32(SIZE_TO_COME)
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(request.correlationId)
  const clientIdBytes = clientId === null ? undefined : utf8(clientId)
  invariant((clientIdBytes?.length ?? 0) <= INT16_MAX, 'a client id has an int16 length')
  writer.int16(clientIdBytes?.length ?? -1)
  if (clientIdBytes !== undefined) writer.bytes(clientIdBytes)
  if (version >= api.firstFlexibleVersion) writer.uvarint(0)
  codecOf(name, 'request', version).encode(writer, request.body)
  return withSize(writer)
}

/**
 * Reads a response; `frame` is what follows the 4 bytes of its size.
 *
 * @throws {DecodeError} when it is malformed or longer than its body.
 */
export function decodeResponse<Name extends ApiName>(
  name: Name,
  version: number,
  frame: Uint8Array,
): { readonly correlationId: number; readonly body: ResponseOf<Name> } {
  const reader = new ByteReader(frame)
  const correlationId = reader.int32()
  if (hasTaggedResponseHeader(name, version)) skipTaggedFields(reader)
  const body = codecOf(name, 'response', version).decode(reader)
  refuseRest(reader)
  return { correlationId, body: body as ResponseOf<Name> }
}

/**
 * Clients before ApiVersions 4 drop the connection when a supported feature begins at version 0;
 * Kafka hides such features from them (KAFKA-17011).
 */
function visibleTo(
  version: number,
  response: ResponseBody<'ApiVersions'>,
): ResponseBody<'ApiVersions'> {
  if (version >= 4) return response
  const visible = response.supportedFeatures?.filter(({ minVersion }) => minVersion !== 0)
  return { ...response, supportedFeatures: visible ?? [] }
}

/**
 * A client that does not know yet which versions the broker speaks must be able to read the answer
 * to ApiVersions, so that its header never changes (KIP-511).
 */
function hasTaggedResponseHeader(name: ApiName, version: number): boolean {
  return name !== 'ApiVersions' && version >= APIS[name].firstFlexibleVersion
}

type Direction = 'request' | 'response'

/** A codec whose message the caller's types vouch for. */
type MessageCodec = {
  readonly hasViews: boolean
  decode(reader: ByteReader): unknown
  encode(writer: ByteWriter, value: object): void
}

const codecs = new Map<Fields, (MessageCodec | undefined)[]>()

/** Compiled at first use: most clients use one version of each API. */
function codecOf(name: ApiName, direction: Direction, version: number): MessageCodec {
  const fields: Fields = API_DEFINITIONS[name][direction]
  let byVersion = codecs.get(fields)
  if (byVersion === undefined) {
    byVersion = []
    codecs.set(fields, byVersion)
  }
  const known = byVersion[version]
  if (known !== undefined) return known
  invariant(hasVersion(name, version), () => `${name} has no version ${version}`)
  const isFlexible = version >= APIS[name].firstFlexibleVersion
  const codec: MessageCodec = compileCodec(fields, { version, isFlexible })
  byVersion[version] = codec
  return codec
}

function hasVersion(name: ApiName, version: number): boolean {
  const { firstVersion, lastVersion } = APIS[name]
  return version >= firstVersion && version <= lastVersion
}

function skipTaggedFields(reader: ByteReader): void {
  const count = reader.uvarint()
  for (let index = 0; index < count; index += 1) {
    reader.uvarint()
    reader.skip(reader.uvarint())
  }
}

function refuseRest(reader: ByteReader): void {
  if (reader.remaining > 0) {
    throw new DecodeError(`${reader.remaining} bytes behind the message`, reader.position)
  }
}

/** The chunks of a message, whose size goes to its beginning. */
function withSize(writer: ByteWriter): Uint8Array[] {
  const sizeBytes = writer.sizeBytes - SIZE_BYTES
  const chunks = writer.finish()
  const [first] = chunks
  invariant(first !== undefined && sizeBytes <= INT32_MAX, 'a message has a size, of an int32')
  for (let index = 0; index < SIZE_BYTES; index += 1) {
    first[index] = sizeBytes >>> (8 * (SIZE_BYTES - 1 - index))
  }
  return chunks
}
