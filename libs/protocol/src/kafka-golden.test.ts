import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { API_DEFINITIONS } from './apis.ts'
import { APIS, type ApiName, errorOfCode, uuidText } from './index.ts'
import { compileCodec } from './schema/codec.ts'
import type { Encodable, Field, Fields, Primitive } from './schema/field.ts'
import { includesVersion } from './schema/versions.ts'
import { ByteReader } from './wire/byte-reader.ts'
import { ByteWriter } from './wire/byte-writer.ts'

/**
 * Every message in every version, as Kafka's own Java library writes it: `libs/protocol/golden`. The
 * program beside the file makes the same values from Kafka's descriptions as `valueOf` does from our
 * tables, so that the bytes are equal only if the tables are.
 */
type Golden = {
  readonly name: ApiName
  readonly version: number
  readonly direction: 'request' | 'response'
  readonly kind: 'full' | 'empty'
  readonly hex: string
}

const OF_KAFKA: readonly Golden[] = readFileSync(
  new URL('../golden/kafka-clients-4.4.0.txt', import.meta.url),
  'utf8',
)
  .split('\n')
  .map((line) => line.split(' '))
  .map(([name, version, direction, kind, hex]) => ({ name, version, direction, kind, hex }))
  .map((golden) => ({ ...golden, version: Number(golden.version) }) as Golden)

const GOLDEN: readonly Golden[] = OF_KAFKA.filter(({ name, version }) => {
  const api = Object.hasOwn(APIS, name) ? APIS[name] : undefined
  return api !== undefined && version >= api.firstVersion && version <= api.lastVersion
})

const codecOf = ({ name, version, direction }: Golden) => {
  const fields: Fields = API_DEFINITIONS[name][direction]
  return { fields, codec: compileCodec(fields, { version, isFlexible: isFlexible(name, version) }) }
}

const isFlexible = (name: ApiName, version: number): boolean =>
  version >= APIS[name].firstFlexibleVersion

/** Unstable in Kafka, which therefore does not advertise it either. */
const UNSTABLE: readonly string[] = ['InitProducerId 6']

test.for(Object.values(APIS))('$name has every version of Kafka, and no other', (api) => {
  const versions = OF_KAFKA.filter(({ name }) => name === api.name)
    .map(({ version }) => version)
    .filter((version) => !UNSTABLE.includes(`${api.name} ${version}`))
  expect([Math.min(...versions), Math.max(...versions)]).toEqual([
    api.firstVersion,
    api.lastVersion,
  ])
})

test('there are messages of Kafka for every API and version', () => {
  const missing = Object.values(APIS).flatMap(({ name, firstVersion, lastVersion }) =>
    Array.from({ length: lastVersion - firstVersion + 1 }, (_, index) => firstVersion + index)
      .filter((version) => !GOLDEN.some((g) => g.name === name && g.version === version))
      .map((version) => `${name} ${version}`),
  )
  expect(missing).toEqual([])
})

test.for(GOLDEN)('$name $version $direction, $kind, is written as by Kafka', (golden) => {
  const { fields, codec } = codecOf(golden)
  const value = golden.kind === 'full' ? structOf(fields, golden.version) : {}
  const writer = new ByteWriter()
  codec.encode(writer, value as Encodable<Fields>)
  expect(Buffer.concat(writer.finish()).toString('hex')).toBe(golden.hex)
})

test.for(GOLDEN)('$name $version $direction, $kind, is read from Kafka', (golden) => {
  const { codec } = codecOf(golden)
  const decoded = codec.decode(new ByteReader(new Uint8Array(Buffer.from(golden.hex, 'hex'))))
  const writer = new ByteWriter()
  codec.encode(writer, decoded)
  expect(Buffer.concat(writer.finish()).toString('hex')).toBe(golden.hex)
})

function structOf(fields: Fields, version: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, field]) => includesVersion(field.versions, version))
      .map(([name, field]) => [name, valueOf(name, field, version)]),
  )
}

function valueOf(name: string, field: Field, version: number): unknown {
  if ('type' in field) return primitiveOf(name, field.type)
  if ('struct' in field) return structOf(field.struct, version)
  if (typeof field.array !== 'string') return [structOf(field.array, version)]
  return [primitiveOf(name, field.array), primitiveOf(name, field.array)]
}

function primitiveOf(name: string, type: Primitive): unknown {
  const { length } = name
  switch (type) {
    case 'bool':
      return true
    case 'int8':
      return 2 + length
    case 'int16':
      return 3 + length
    case 'errorCode':
      return errorOfCode(3 + length)
    case 'uint16':
      return 50_000 + length
    case 'int32':
      return 70_000 + length
    case 'int64':
      return 2 ** 40 + length
    case 'float64':
      return 0.5 + length
    case 'string':
      return name
    case 'bytes':
    case 'records':
      return new TextEncoder().encode(name)
    case 'uuid': {
      const bytes = new Uint8Array(16)
      bytes[0] = 1
      bytes[15] = length
      return uuidText(bytes)
    }
  }
}
