import { BROKER_CONFIGS } from './broker-configs.ts'
import type { ConfigRule, ConfigType } from './definition.ts'
import { type Importance, KAFKA_BROKER_KEYS, type UpdateMode } from './kafka-broker-key.ts'
import { UNSUPPORTED_REASONS } from './unsupported-broker-configs.ts'

/** One key of the broker's configuration. */
export type BrokerKey = ConfigRule & {
  /** As text; null for none. */
  readonly default: string | null
  readonly importance: Importance
  readonly update: UpdateMode
  readonly doc: string
  /** Whether it does anything here. The others are accepted, shown, and have no effect. */
  readonly hasEffect: boolean
}

type Described = {
  readonly type: string
  readonly kafkaType?: ConfigType
  readonly default?: string | number | boolean | readonly string[]
  /** Where a number cannot say what Kafka's default is. */
  readonly kafkaDefault?: string
  readonly min?: number
  readonly max?: number
  readonly values?: readonly string[]
  readonly update?: UpdateMode
  readonly doc: string
}

const TYPES: Readonly<Record<string, ConfigType>> = {
  int: 'INT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  list: 'LIST',
}

/** Every key of the broker that is known, by name, in alphabetical order. */
export const BROKER_KEYS: ReadonlyMap<string, BrokerKey> = new Map(
  [
    ...Object.entries(BROKER_CONFIGS as Readonly<Record<string, Described>>).map(
      ([name, key]) => [name, supportedKey(name, key)] as const,
    ),
    // Keys that Kafka 4 does not have any more are accepted, and not shown.
    ...[...UNSUPPORTED_REASONS].flatMap(([name, reason]) => unsupportedKey(name, reason)),
  ].sort(([left], [right]) => (left < right ? -1 : 1)),
)

function supportedKey(name: string, key: Described): BrokerKey {
  const fallback = key.default === undefined ? null : String(key.default)
  return {
    type: key.kafkaType ?? TYPES[key.type] ?? 'STRING',
    default: key.kafkaDefault ?? fallback,
    importance: KAFKA_BROKER_KEYS.get(name)?.importance ?? 'MEDIUM',
    update: key.update ?? 'read-only',
    doc: key.doc,
    hasEffect: true,
    ...(key.min === undefined ? {} : { min: key.min }),
    ...(key.max === undefined ? {} : { max: key.max }),
    ...(key.values === undefined ? {} : { oneOf: key.values }),
  }
}

function unsupportedKey(name: string, reason: string): (readonly [string, BrokerKey])[] {
  const key = KAFKA_BROKER_KEYS.get(name)
  if (key === undefined) return []
  const doc = `Has no effect here: ${reason}.`
  return [[name, { ...key, update: 'read-only', doc, hasEffect: false }]]
}
