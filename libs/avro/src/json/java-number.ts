/**
 * Java's `Double.toString` (JDK 19 and later): the shortest decimal that reads back as the same
 * double, with at least one digit after the point; in scientific form from 1.0E7 and below 0.001.
 */
export function javaDouble(value: number): string {
  return javaDecimal(value, shortestDouble)
}

/** Java's `Float.toString`: the same form, with the digits that a float needs. */
export function javaFloat(value: number): string {
  return javaDecimal(Math.fround(value), shortestFloat)
}

/** Significant digits without point, and the exponent of the first one. */
type Digits = { readonly digits: string; readonly exponent: number }

function javaDecimal(value: number, shortest: (magnitude: number) => Digits): string {
  if (Number.isNaN(value)) return 'NaN'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const magnitude = Math.abs(value)
  if (magnitude === 0) return `${sign}0.0`
  if (magnitude === Infinity) return `${sign}Infinity`

  const { digits, exponent } = shortest(magnitude)
  if (exponent < -3 || exponent >= 7) {
    return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${exponent}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

function shortestDouble(magnitude: number): Digits {
  const shortest = digitsOf(magnitude.toExponential())
  // Java asks for two digits at least, and takes the nearest two: 4.9E-324 where JavaScript has 5e-324.
  return shortest.digits.length > 1 ? shortest : digitsOf(magnitude.toExponential(1))
}

const FLOAT_DIGITS_MAX = 9

function shortestFloat(magnitude: number): Digits {
  for (let fractionDigits = 1; fractionDigits < FLOAT_DIGITS_MAX; fractionDigits += 1) {
    const text = magnitude.toExponential(fractionDigits)
    if (Math.fround(Number(text)) === magnitude) return digitsOf(text)
  }
  return digitsOf(magnitude.toExponential(FLOAT_DIGITS_MAX))
}

function digitsOf(exponential: string): Digits {
  const [mantissa = '', exponent = '0'] = exponential.split('e')
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  return { digits: digits || '0', exponent: Number(exponent) }
}
