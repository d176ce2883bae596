/** Types of configuration values, as DescribeConfigs names them (KIP-226, KIP-569). */
export type ConfigType =
  | 'BOOLEAN'
  | 'STRING'
  | 'INT'
  | 'SHORT'
  | 'LONG'
  | 'DOUBLE'
  | 'LIST'
  | 'CLASS'
  | 'PASSWORD'

/** What a value must be, besides its type. Bounds are inclusive. */
export type ConfigRule = {
  readonly type: ConfigType
  readonly min?: number
  readonly max?: number
  /** A number that is allowed besides those from `min` to `max`. */
  readonly or?: number
  /** For STRING: the allowed values; for LIST: the allowed items. */
  readonly oneOf?: readonly string[]
  /** For `oneOf`: in any case. */
  readonly ignoresCase?: boolean
  /** For LIST: each item is `partition:broker`, or the list is `*` alone (KIP-73). */
  readonly isReplicaList?: boolean
  /** For LIST: an empty list is refused. */
  readonly notEmpty?: boolean
}

const INT_MAX = 2n ** 31n - 1n
const LONG_MAX = 2n ** 63n - 1n
const SHORT_MAX = 2n ** 15n - 1n
const INTEGER_MAX = { SHORT: SHORT_MAX, INT: INT_MAX, LONG: LONG_MAX } as const

/**
 * Why `text` is not a value of `name`, in Kafka's words (they reach users through CreateTopics), or
 * undefined when it is one.
 */
export function configProblem(name: string, text: string, rule: ConfigRule): string | undefined {
  const reason = valueProblem(text.trim(), rule)
  if (reason === undefined) return undefined
  if (rule.isReplicaList === true) {
    return `Invalid value [${text}] for configuration ${name}: ${name} ${reason}`
  }
  return `Invalid value ${text} for configuration ${name}: ${reason}`
}

/** Why `text`, without blanks around it, breaks the rule; undefined when it does not. */
export function valueProblem(text: string, rule: ConfigRule): string | undefined {
  switch (rule.type) {
    case 'BOOLEAN':
      if (/^(true|false)$/i.test(text)) return undefined
      return 'Expected value to be either true or false'
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return integerProblem(text, rule, INTEGER_MAX[rule.type])
    case 'DOUBLE': {
      const value = Number(text)
      if (text === '' || Number.isNaN(value)) return 'Not a number of type DOUBLE'
      return rangeProblem(value, rule)
    }
    case 'LIST':
      return listProblem(text, rule)
    case 'STRING':
    case 'CLASS':
    case 'PASSWORD':
      if (rule.oneOf === undefined || isOneOf(text, rule)) return undefined
      return `String must be one of: ${rule.oneOf.join(', ')}`
  }
}

function integerProblem(text: string, rule: ConfigRule, max: bigint): string | undefined {
  if (!/^[+-]?\d{1,19}$/.test(text)) return `Not a number of type ${rule.type}`
  const value = BigInt(text.replace('+', ''))
  if (value > max || value < -max - 1n) return `Not a number of type ${rule.type}`
  return rangeProblem(Number(value), rule)
}

function rangeProblem(value: number, { min, max, or }: ConfigRule): string | undefined {
  if (or !== undefined) {
    const isInside = value === or || (value >= (min ?? value) && value <= (max ?? value))
    return isInside ? undefined : `Value must be between ${min} and ${max} or equal to ${or}`
  }
  if (min !== undefined && value < min) return `Value must be at least ${min}`
  if (max !== undefined && value > max) return `Value must be no more than ${max}`
  return undefined
}

function listProblem(text: string, rule: ConfigRule): string | undefined {
  const items = listItems(text)
  if (items.length === 0 && rule.notEmpty === true) return 'Configuration cannot be empty'
  if (rule.isReplicaList === true) return replicaListProblem(text, items)
  const unknown = rule.oneOf !== undefined && items.some((item) => !isOneOf(item, rule))
  return unknown ? `String must be one of: ${rule.oneOf?.join(', ')}` : undefined
}

function isOneOf(text: string, { oneOf = [], ignoresCase }: ConfigRule): boolean {
  if (ignoresCase !== true) return oneOf.includes(text)
  return oneOf.some((word) => word.toLowerCase() === text.toLowerCase())
}

function replicaListProblem(text: string, items: readonly string[]): string | undefined {
  if (text === '*' || items.every((item) => /^\d+:\d+$/.test(item))) return undefined
  return "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
}

/** A value as Kafka shows it: parsed, and written again; as it is, when it is not of its type. */
export function shownValue(text: string, type: ConfigType): string {
  const trimmed = text.trim()
  switch (type) {
    case 'BOOLEAN':
      return trimmed.toLowerCase()
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return /^[+-]?\d+$/.test(trimmed) ? BigInt(trimmed.replace('+', '')).toString() : trimmed
    case 'DOUBLE':
      return trimmed === '' ? trimmed : javaDouble(Number(trimmed), trimmed)
    case 'LIST':
      return listItems(trimmed).join(',')
    case 'STRING':
    case 'CLASS':
      return trimmed
    case 'PASSWORD':
      return text
  }
}

/** As `Double.toString`: always with a decimal point, and an exponent from 10^7 on. */
function javaDouble(value: number, text: string): string {
  const magnitude = Math.abs(value)
  if (!Number.isFinite(value)) return text
  if (value === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) {
    return Number.isInteger(value) ? value.toFixed(1) : String(value)
  }
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`
}

/** The items of a LIST value: separated by commas, blanks around them dropped. */
export function listItems(text: string): readonly string[] {
  return text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
}
