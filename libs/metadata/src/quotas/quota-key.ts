import type { QuotaEntity } from './quota-entity.ts'

/** What is limited, by the name that AlterClientQuotas gives it. */
export type QuotaKey =
  | 'producer_byte_rate'
  | 'consumer_byte_rate'
  | 'request_percentage'
  | 'controller_mutation_rate'
  | 'connection_creation_rate'

type QuotaType = 'LONG' | 'INT' | 'DOUBLE'

const CLIENT_KEYS: ReadonlyMap<string, QuotaType> = new Map([
  ['producer_byte_rate', 'LONG'],
  ['consumer_byte_rate', 'LONG'],
  ['request_percentage', 'DOUBLE'],
  ['controller_mutation_rate', 'DOUBLE'],
])
const IP_KEYS: ReadonlyMap<string, QuotaType> = new Map([['connection_creation_rate', 'INT']])

/** Kafka compares with the type's greatest value as a double, which rounds that of LONG up. */
const VALUE_MAX: Readonly<Record<QuotaType, number>> = {
  LONG: 2 ** 63,
  INT: 2 ** 31 - 1,
  DOUBLE: Number.MAX_VALUE,
}
const FRACTION_MAX = 1e-6

/** Why this quota cannot be set for the entity, in Kafka's words; undefined when it can. */
export function quotaProblem(entity: QuotaEntity, key: string, value: number): string | undefined {
  const type = (entity.ip === undefined ? CLIENT_KEYS : IP_KEYS).get(key)
  if (type === undefined) return `Invalid configuration key ${key}`
  // Kafka takes NaN and infinity for a DOUBLE, and compares rates with them.
  if (!(value > 0)) return `Quota ${key} must be greater than 0`
  if (value > VALUE_MAX[type]) {
    return `Proposed value for ${key} is too large for ${type === 'INT' ? 'an INT' : `a ${type}`}.`
  }
  const isFractional = type !== 'DOUBLE' && value % 1 > FRACTION_MAX
  return isFractional ? `${key} cannot be a fractional value.` : undefined
}
