import {
  APIS,
  type ApiName,
  type Field,
  type Fields,
  type Primitive,
  ZERO_UUID,
  encodeRequest,
  includesVersion,
  requestFields,
  uuidText,
} from '@fairlead/protocol'
import type { SeededRandom } from '../support/seeded-random.ts'
import { randomRecords } from './random-records.ts'

/** Names that exist on the broker under attack, so that requests get past the first check. */
export type Words = {
  readonly topics: readonly string[]
  readonly topicIds: readonly string[]
  readonly groups: readonly string[]
}

const API_NAMES = Object.keys(APIS) as ApiName[]
const OTHER_STRINGS = ['', 'm', 'range', 'consumer', 'retention.ms', '1', '-1', '*', 'é\u{1f980}']
const LONG_STRING = 'x'.repeat(32_767)
const INT_EDGES = [-1, 0, 1, 2, 3, 4, 5, 10, 100, 1_000]
const DOUBLE_EDGES = [-1, 0, 0.5, 1, 1e6, 2 ** 63, Infinity, -Infinity, Number.NaN]
const WIDTHS = { int8: 8, int16: 16, int32: 32 } as const
/** Requests that wait by themselves would stop the others of their connection. */
const WAITS: readonly string[] = ['maxWaitMs', 'timeoutMs', 'rebalanceTimeoutMs']
const WAIT_MS_MAX = 5
/** Each waits for the disk, one after the other: drawn as often as the rest, they alone set the pace. */
const CHANGES: ReadonlySet<ApiName> = new Set([
  'CreateTopics',
  'DeleteTopics',
  'CreatePartitions',
  'AlterConfigs',
  'IncrementalAlterConfigs',
])
const CHANGE_ONE_IN = 5

/** A request of any API in any version, well-formed, with values that may make no sense. */
export function randomRequest(random: SeededRandom, words: Words): Uint8Array {
  const { int } = random
  const name = randomApi(random)
  const { firstVersion, lastVersion } = APIS[name]
  const version = firstVersion + int(lastVersion - firstVersion + 1)
  const body = struct(requestFields(name), { version, random, words })
  return Buffer.concat(
    encodeRequest({
      name,
      version,
      correlationId: int(2 ** 31),
      clientId: int(4) === 0 ? null : 'attacker',
      body: body as Parameters<typeof encodeRequest<ApiName>>[0]['body'],
    }),
  )
}

function randomApi({ int, pick }: SeededRandom): ApiName {
  const name = pick(API_NAMES)
  return CHANGES.has(name) && int(CHANGE_ONE_IN) > 0 ? pick(API_NAMES) : name
}

type Source = {
  readonly version: number
  readonly random: SeededRandom
  readonly words: Words
}

function struct(fields: Fields, source: Source): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    if (includesVersion(field.versions, source.version)) value[name] = valueOf(name, field, source)
  }
  return value
}

function valueOf(name: string, field: Field, source: Source): unknown {
  const { version, random } = source
  const isNullable = field.nullable !== undefined && includesVersion(field.nullable, version)
  if (isNullable && random.int(3) === 0) return null
  if ('struct' in field) return struct(field.struct, source)
  if ('type' in field) return primitive(name, field.type, source)
  const { array } = field
  return Array.from({ length: arrayLength(random) }, () =>
    typeof array === 'string' ? primitive(name, array, source) : struct(array, source),
  )
}

function arrayLength({ int }: SeededRandom): number {
  const rare = int(2_000)
  if (rare === 0) return 1_000
  return rare < 40 ? int(50) : int(4)
}

function primitive(name: string, type: Primitive, { random, words }: Source): unknown {
  const { int, pick } = random
  switch (type) {
    case 'bool':
      return int(2) === 0
    case 'int8':
    case 'int16':
    case 'int32':
      if (WAITS.includes(name) && int(200) > 0) return int(WAIT_MS_MAX)
      return int(8) === 0 ? int(2 ** 32) >> (32 - WIDTHS[type]) : pick(INT_EDGES) % 128
    case 'uint16':
      return int(2 ** 16)
    case 'int64':
      return int(8) === 0 ? (int(2 ** 32) - 2 ** 31) * 2 ** int(21) : pick(INT_EDGES)
    case 'float64':
      return pick(DOUBLE_EDGES)
    case 'uuid':
      return int(3) > 0 ? pick(words.topicIds) : pick([ZERO_UUID, uuidText(bytes(16, random))])
    case 'string':
      return text(name, random, words)
    case 'bytes':
      return bytes(int(60), random)
    case 'records':
      return randomRecords(random)
    case 'errorCode':
      return 'NONE'
  }
}

function text(name: string, { int, pick }: SeededRandom, words: Words): string {
  if (int(5_000) === 0) return LONG_STRING
  if (int(4) === 0) return pick(OTHER_STRINGS)
  return pick(name.toLowerCase().includes('group') ? words.groups : words.topics)
}

export function bytes(length: number, { int }: SeededRandom): Uint8Array {
  return Uint8Array.from({ length }, () => int(256))
}
