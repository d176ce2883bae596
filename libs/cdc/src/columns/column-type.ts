import { DecodeError } from '@fairlead/base'
import { toBase64, toBase64Url, toHex } from '../connect/base64.ts'
import {
  type ConnectSchema,
  type ConnectValue,
  OPTIONAL_STRING,
  logical,
  optional,
  required,
  struct,
} from '../connect/connect-schema.ts'
import { parseBytea } from '../postgres-text.ts'
import { arrayElements } from './array-text.ts'
import { parseBits, parseHstore, parsePoint } from './special-text.ts'
import { type Decimal, parseDecimal, unscaledBytes, withScale } from './decimal.ts'
import { intervalMicros, intervalText } from './interval.ts'
import type { UserType } from './source-catalog.ts'
import { dateType, timeType, timestampType, zonedTime, zonedTimestamp } from './temporal-types.ts'
import type { ValueOptions } from './value-options.ts'

/** What the values of a column are in Connect's data model, by Debezium's rules. */
export type ColumnType = {
  /** Not optional and without a default: those are facts of the column. */
  readonly schema: ConnectSchema
  /** A value from Postgres' text. @throws {DecodeError} when it is none of this type. */
  parse(bytes: Uint8Array): ConnectValue
}

/** Object ids of built-in types: `pg_type.dat`. */
const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  oid: 26,
  json: 114,
  xml: 142,
  point: 600,
  float4: 700,
  float8: 701,
  money: 790,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  varbit: 1562,
  numeric: 1700,
  uuid: 2950,
  tsvector: 3614,
  jsonb: 3802,
} as const

/** Type of the elements of each built-in array type. */
const ELEMENT_OIDS: Readonly<Record<number, number>> = {
  1000: 16,
  1001: 17,
  1002: 18,
  1003: 19,
  1005: 21,
  1007: 23,
  1009: 25,
  1014: 1042,
  1015: 1043,
  1016: 20,
  1021: 700,
  1022: 701,
  1028: 26,
  199: 114,
  3807: 3802,
  651: 650,
  775: 774,
  1040: 829,
  1041: 869,
  1115: 1114,
  1182: 1082,
  1183: 1083,
  1185: 1184,
  1231: 1700,
  1270: 1266,
  2951: 2950,
  3905: 3904,
  3907: 3906,
  3909: 3908,
  3911: 3910,
  3913: 3912,
  3927: 3926,
}

const TYPE_MODIFIER_OFFSET = 4
const PRECISION_SHIFT = 16
const SCALE_MASK = 0x7ff
const DOMAINS_MAX = 16
const TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

export function columnType(
  column: { readonly typeOid: number; readonly typeModifier: number },
  types: ReadonlyMap<number, UserType>,
  options: ValueOptions,
): ColumnType {
  let { typeOid, typeModifier } = column
  let userType = types.get(typeOid)
  for (let depth = 0; userType?.kind === 'domain' && depth < DOMAINS_MAX; depth += 1) {
    typeOid = userType.baseOid
    if (typeModifier < 0) typeModifier = userType.baseModifier
    userType = types.get(typeOid)
  }
  const elementOid = userType?.kind === 'array' ? userType.elementOid : ELEMENT_OIDS[typeOid]
  if (elementOid === undefined) {
    return userType === undefined
      ? builtInType(typeOid, typeModifier, options)
      : userTypeOf(userType, options)
  }
  const element = columnType({ typeOid: elementOid, typeModifier }, types, options)
  // Debezium takes the elements of an array of an enum for never null.
  const isEnum = types.get(elementOid)?.kind === 'enum'
  return arrayType(element, isEnum ? element.schema : optional(element.schema))
}

function userTypeOf(type: UserType, options: ValueOptions): ColumnType {
  if (type.kind === 'enum') {
    return textType(logical('string', 'io.debezium.data.Enum', { allowed: type.labels.join(',') }))
  }
  if (type.kind !== 'other') return textType(required('string'))
  if (type.name === 'ltree') return textType(logical('string', 'io.debezium.data.Ltree'))
  if (type.name !== 'hstore') return textType(required('string'))
  if (options.hstore === 'map') {
    const schema: ConnectSchema = { type: 'map', isOptional: false, items: OPTIONAL_STRING }
    return { schema, parse: (bytes) => parseHstore(TEXT.decode(bytes)) }
  }
  const parse = (bytes: Uint8Array): string =>
    JSON.stringify(Object.fromEntries(parseHstore(TEXT.decode(bytes))))
  return { schema: logical('string', 'io.debezium.data.Json'), parse }
}

function builtInType(typeOid: number, modifier: number, options: ValueOptions): ColumnType {
  switch (typeOid) {
    case OID.bool:
      return of(required('boolean'), (text) => text === 't')
    case OID.int2:
      return of(required('int16'), Number)
    case OID.int4:
      return of(required('int32'), Number)
    case OID.int8:
    case OID.oid:
      return of(required('int64'), BigInt)
    case OID.float4:
      return of(required('float32'), (text) => Math.fround(Number(text)))
    case OID.float8:
      return of(required('float64'), Number)
    case OID.numeric:
      return numericType(modifier, options)
    case OID.money:
      return moneyType(options)
    case OID.bytea:
      return byteaType(options)
    case OID.json:
    case OID.jsonb:
      return textType(logical('string', 'io.debezium.data.Json'))
    case OID.xml:
      return textType(logical('string', 'io.debezium.data.Xml'))
    case OID.uuid:
      return textType(logical('string', 'io.debezium.data.Uuid'))
    case OID.tsvector:
      return textType(logical('string', 'io.debezium.data.Tsvector'))
    case OID.date:
      return dateType(options)
    case OID.time:
      return timeType(modifier, options)
    case OID.timestamp:
      return timestampType(modifier, options)
    case OID.timetz:
      return zonedTime()
    case OID.timestamptz:
      return zonedTimestamp()
    case OID.interval:
      return options.intervals === 'string'
        ? of(logical('string', 'io.debezium.time.Interval'), intervalText)
        : of(logical('int64', 'io.debezium.time.MicroDuration'), intervalMicros)
    case OID.bit:
    case OID.varbit:
      return bitType(modifier)
    case OID.point:
      return of(POINT, parsePoint)
    default:
      return textType(required('string'))
  }
}

function of(schema: ConnectSchema, parseText: (text: string) => ConnectValue): ColumnType {
  return { schema, parse: (bytes) => parseText(TEXT.decode(bytes)) }
}

function textType(schema: ConnectSchema): ColumnType {
  return of(schema, (text) => text)
}

const POINT: ConnectSchema = {
  ...struct('io.debezium.data.geometry.Point', [
    { name: 'x', schema: required('float64') },
    { name: 'y', schema: required('float64') },
    { name: 'wkb', schema: optional(required('bytes')) },
    { name: 'srid', schema: optional(required('int32')) },
  ]),
  version: 1,
  doc: 'Geometry (POINT)',
}

const VARIABLE_SCALE: ConnectSchema = {
  ...struct('io.debezium.data.VariableScaleDecimal', [
    { name: 'scale', schema: required('int32') },
    { name: 'value', schema: required('bytes') },
  ]),
  version: 1,
  doc: 'Variable scaled decimal',
}

function numericType(modifier: number, { decimals }: ValueOptions): ColumnType {
  if (decimals === 'string') return textType(required('string'))
  if (decimals === 'double') return of(required('float64'), Number)
  if (modifier < TYPE_MODIFIER_OFFSET) {
    return of(VARIABLE_SCALE, (text) => {
      const { unscaled, scale } = decimalOf(text)
      return [scale, unscaledBytes(unscaled)]
    })
  }
  const packed = modifier - TYPE_MODIFIER_OFFSET
  const precision = packed >> PRECISION_SHIFT
  // An 11-bit integer with a sign.
  const scale = (packed & SCALE_MASK) - (((packed & SCALE_MASK) >> 10) << 11)
  return decimalType(scale, { 'connect.decimal.precision': `${precision}` })
}

function moneyType({ decimals, moneyFractionDigits }: ValueOptions): ColumnType {
  const plain = (text: string): string => {
    const amount = text.replaceAll(/[^\d.]/g, '')
    return /^[-(]|-\D*\d/.test(text) ? `-${amount}` : amount
  }
  if (decimals === 'string') return of(required('string'), plain)
  if (decimals === 'double') return of(required('float64'), (text) => Number(plain(text)))
  const { schema } = decimalType(moneyFractionDigits, {})
  return of(schema, (text) =>
    unscaledBytes(withScale(decimalOf(plain(text)), moneyFractionDigits).unscaled),
  )
}

function decimalType(scale: number, parameters: Readonly<Record<string, string>>): ColumnType {
  const schema = logical('bytes', 'org.apache.kafka.connect.data.Decimal', {
    scale: `${scale}`,
    ...parameters,
  })
  return of(schema, (text) => unscaledBytes(withScale(decimalOf(text), scale).unscaled))
}

function decimalOf(text: string): Decimal {
  const decimal = parseDecimal(text)
  if (decimal !== undefined) return decimal
  throw new DecodeError(
    `${text} is no decimal number: decimal.handling.mode double or string can carry it`,
    0,
  )
}

function byteaType({ binary }: ValueOptions): ColumnType {
  if (binary === 'bytes') return { schema: required('bytes'), parse: parseBytea }
  const textOf = { base64: toBase64, 'base64-url-safe': toBase64Url, hex: toHex }[binary]
  return { schema: required('string'), parse: (bytes) => textOf(parseBytea(bytes)) }
}

function bitType(length: number): ColumnType {
  if (length <= 1) return of(required('boolean'), (text) => text === '1')
  return of(logical('bytes', 'io.debezium.data.Bits', { length: `${length}` }), parseBits)
}

function arrayType(element: ColumnType, items: ConnectSchema): ColumnType {
  const encoder = new TextEncoder()
  return of({ type: 'array', isOptional: false, items }, (text) => {
    const elements = arrayElements(text)
    if (elements === undefined) throw new DecodeError('the text is no array', 0)
    return elements.map((item) => (item === null ? null : element.parse(encoder.encode(item))))
  })
}
