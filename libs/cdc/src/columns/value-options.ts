/** How columns become values; Debezium's options of the same names. */
export type ValueOptions = {
  /** `decimal.handling.mode` */
  readonly decimals: 'precise' | 'double' | 'string'
  /** `time.precision.mode` */
  readonly times:
    | 'adaptive'
    | 'adaptive_time_microseconds'
    | 'connect'
    | 'microseconds'
    | 'nanoseconds'
  /** `binary.handling.mode` */
  readonly binary: 'bytes' | 'base64' | 'base64-url-safe' | 'hex'
  /** `interval.handling.mode` */
  readonly intervals: 'numeric' | 'string'
  /** `hstore.handling.mode` */
  readonly hstore: 'json' | 'map'
  /** `money.fraction.digits` */
  readonly moneyFractionDigits: number
  /** `unavailable.value.placeholder` */
  readonly unavailablePlaceholder: string
}

export const DEFAULT_VALUE_OPTIONS: ValueOptions = {
  decimals: 'precise',
  times: 'adaptive',
  binary: 'bytes',
  intervals: 'numeric',
  hstore: 'json',
  moneyFractionDigits: 2,
  unavailablePlaceholder: '__debezium_unavailable_value',
}
