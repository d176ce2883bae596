import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { API_DEFINITIONS } from './apis.ts'
import {
  APIS,
  type ApiName,
  type RequestBody,
  type ResponseBody,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  refersToFrame,
} from './index.ts'
import type { Fields } from './schema/field.ts'
import { structArbitrary } from './testing/struct-arbitrary.ts'

const SIZE_BYTES = 4
const HEADER_BYTES = 8
const MUTATIONS = 200

const API_NAMES = Object.keys(APIS) as ApiName[]
const CASES = API_NAMES.flatMap((name) => {
  const { firstVersion, lastVersion } = APIS[name]
  const count = lastVersion - firstVersion + 1
  return Array.from({ length: count }, (_, index) => ({ name, version: firstVersion + index }))
})

/** What follows the size: a frame as the other side reads it. */
function frameOf(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks)).subarray(SIZE_BYTES)
}

const request = (name: ApiName, version: number, body: unknown): Uint8Array =>
  frameOf(
    encodeRequest({
      name,
      version,
      correlationId: 7,
      clientId: 'client',
      body: body as RequestBody<ApiName>,
    }),
  )

const response = (name: ApiName, version: number, body: unknown): Uint8Array =>
  frameOf(encodeResponse(name, version, 7, body as ResponseBody<ApiName>))

const readRequest = (name: ApiName, version: number, frame: Uint8Array): unknown =>
  decodeRequest(name, version, frame, decodeRequestHeader(frame).bodyPosition)

const fieldsOf = (name: ApiName, direction: 'request' | 'response'): Fields =>
  API_DEFINITIONS[name][direction]

const DIRECTIONS = [
  { direction: 'request', write: request, read: readRequest },
  {
    direction: 'response',
    write: response,
    read: (name: ApiName, version: number, frame: Uint8Array): unknown =>
      decodeResponse(name, version, frame).body,
  },
] as const

/** Before version 4, a feature that begins at version 0 is left out (KAFKA-17011). */
function isWrittenWhole(name: ApiName, version: number, body: object): boolean {
  if (name !== 'ApiVersions' || version >= 4) return true
  const { supportedFeatures = [] } = body as {
    readonly supportedFeatures?: readonly { readonly minVersion: number }[]
  }
  return supportedFeatures.every(({ minVersion }) => minVersion !== 0)
}

function errorOf(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}

describe.for(DIRECTIONS)('a $direction', ({ direction, write, read }) => {
  test.for(CASES)('of $name $version is read as it was written', ({ name, version }) => {
    fc.assert(
      fc.property(structArbitrary(fieldsOf(name, direction), version), (body) => {
        fc.pre(isWrittenWhole(name, version, body))
        expect(read(name, version, write(name, version, body))).toEqual(body)
      }),
      { numRuns: 12 },
    )
  })

  test.for(CASES)('of $name $version that is cut short is an error', ({ name, version }) => {
    const [body] = fc.sample(structArbitrary(fieldsOf(name, direction), version), {
      numRuns: 1,
      seed: version,
    })
    const frame = write(name, version, body)
    for (let length = 0; length < Math.min(frame.length, 600); length += 1) {
      expect(errorOf(() => read(name, version, frame.subarray(0, length)))).toBeInstanceOf(
        DecodeError,
      )
    }
  })

  test.for(CASES)('of $name $version with mutated bytes is an error or a value', (api) => {
    const { name, version } = api
    const mutation = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff))
    const input = fc.tuple(
      structArbitrary(fieldsOf(name, direction), version),
      fc.array(fc.array(mutation, { minLength: 1, maxLength: 4 }), { maxLength: MUTATIONS / 5 }),
    )
    fc.assert(
      fc.property(input, ([body, mutants]) => {
        const frame = write(name, version, body)
        for (const mutations of mutants) {
          const mutant = frame.slice()
          for (const [at, byte] of mutations) {
            const position = HEADER_BYTES + (at % (frame.length - HEADER_BYTES + 1))
            if (position < mutant.length) mutant[position] = byte
          }
          const error = errorOf(() => read(name, version, mutant))
          expect(error === undefined || error instanceof DecodeError).toBe(true)
        }
      }),
      { numRuns: 5 },
    )
  })
})

describe('a request without views of its frame', () => {
  const viewless = CASES.filter(({ name, version }) => !refersToFrame(name, version))

  test.for(viewless)('$name $version is what it was when others use its buffer', (api) => {
    const { name, version } = api
    fc.assert(
      fc.property(structArbitrary(fieldsOf(name, 'request'), version), (body) => {
        const frame = request(name, version, body)
        const decoded = readRequest(name, version, frame)
        frame.fill(0xee)
        expect(decoded).toEqual(body)
      }),
      { numRuns: 5 },
    )
  })

  test('is any but those with records, or with what members of groups tell each other', () => {
    const names = CASES.filter(({ name, version }) => refersToFrame(name, version))
    expect(new Set(names.map(({ name }) => name))).toEqual(
      new Set(['Produce', 'JoinGroup', 'SyncGroup']),
    )
  })
})
