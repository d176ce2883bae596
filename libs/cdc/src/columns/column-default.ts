import { DecodeError } from '@fairlead/base'
import type { ConnectValue } from '../connect/connect-schema.ts'
import type { ColumnType } from './column-type.ts'
import type { UserType } from './source-catalog.ts'

const FUNCTION_CALL = /^\(?[A-Za-z0-9_."]+\(.*\)/s
const CURRENT_TIME = /^(current_date|current_time|current_timestamp|localtime|localtimestamp)\b/i

/**
 * What stands for a default that is computed, and the types whose defaults are known at all, by the
 * object id of the type.
 */
const PLACEHOLDERS: Readonly<Record<number, string>> = {
  16: 'f',
  20: '0',
  21: '0',
  23: '0',
  25: '',
  1042: '',
  1043: '',
  114: '{}',
  3802: '{}',
  142: '',
  700: '0',
  701: '0',
  1700: '0',
  2950: '00000000-0000-0000-0000-000000000000',
  1082: '1970-01-01',
  1083: '00:00:00',
  1114: '1970-01-01 00:00:00',
  1184: '1970-01-01 00:00:00+00',
}
const BOOLEAN_OID = 16

/** The default of a column for its schema, by Debezium's rules; undefined when it has none there. */
export function columnDefault(
  expression: string,
  column: { readonly typeOid: number },
  type: ColumnType,
  types: ReadonlyMap<number, UserType>,
): ConnectValue | undefined {
  const isEnum = types.get(column.typeOid)?.kind === 'enum'
  const placeholder = PLACEHOLDERS[column.typeOid]
  if (placeholder === undefined && !isEnum) return undefined
  if (expression.startsWith('NULL::')) return undefined
  const isComputed = FUNCTION_CALL.test(expression) || CURRENT_TIME.test(expression)
  const text = isComputed ? placeholder : literalText(expression, column.typeOid)
  if (text === undefined) return undefined
  try {
    return type.parse(new TextEncoder().encode(text))
  } catch (error) {
    if (error instanceof DecodeError || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** What stands in quotes, up to the next quote; or all of it. */
function literalText(expression: string, typeOid: number): string | undefined {
  const text = expression.includes("'") ? /'(.*?)'/s.exec(expression)?.[1] : expression
  if (text === undefined) return undefined
  if (typeOid === BOOLEAN_OID) return text.toLowerCase() === 'true' ? 't' : 'f'
  return NUMERIC_OIDS.has(typeOid) && !/^-?[\d.]+(e[+-]?\d+)?$/i.test(text) ? undefined : text
}

const NUMERIC_OIDS: ReadonlySet<number> = new Set([20, 21, 23, 700, 701, 1700])
