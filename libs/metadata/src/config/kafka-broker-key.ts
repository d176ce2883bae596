import { invariant } from '@fairlead/base'
import type { ConfigRule, ConfigType } from './definition.ts'
import { KAFKA_BROKER_CONFIGS } from './kafka-broker-configs.ts'

/** How much a key matters, in Kafka's own judgement: what to look at first. */
export type Importance = 'HIGH' | 'MEDIUM' | 'LOW'

/**
 * When a key takes effect (Kafka's dynamic update modes): only at the start, at once for the broker
 * that it is set for, or at once for all brokers as well.
 */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide'

export type KafkaBrokerKey = ConfigRule & {
  /** As text; null for none. */
  readonly default: string | null
  readonly importance: Importance
  readonly update: UpdateMode
}

/** Every key of Kafka's broker, by name. */
export const KAFKA_BROKER_KEYS: ReadonlyMap<string, KafkaBrokerKey> = new Map(
  KAFKA_BROKER_CONFIGS.trim().split('\n').map(parseLine),
)

function parseLine(line: string): readonly [name: string, key: KafkaBrokerKey] {
  const [name, type, defaultValue, importance, update, rule] = line
    .split(';')
    .map((part) => part.trim())
  invariant(name !== undefined && update !== undefined, 'a line has at least five parts')
  return [
    name,
    {
      type: type as ConfigType,
      default: defaultValue === '-' ? null : (defaultValue ?? ''),
      importance: importance as Importance,
      update: update as UpdateMode,
      ...(rule === undefined ? {} : parseRule(rule)),
    },
  ]
}

/** `1..`, `1..9 or -1`, or words. */
function parseRule(rule: string): Omit<ConfigRule, 'type'> {
  const range = /^(?<min>-?[\d.]+?)\.\.(?<max>-?[\d.]+)?(?: or (?<or>-?\d+))?$/.exec(rule)?.groups
  if (range === undefined) {
    const words = rule.replace(/^i:/, '').split('|')
    return { oneOf: words, ...(rule.startsWith('i:') ? { ignoresCase: true } : {}) }
  }
  const { min, max, or } = range
  return {
    min: Number(min),
    ...(max === undefined ? {} : { max: Number(max) }),
    ...(or === undefined ? {} : { or: Number(or) }),
  }
}
