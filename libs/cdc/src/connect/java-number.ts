/** Text of a double as `Double.toString` of Java writes it: `1.0`, `1.0E10`, `NaN`. */
export function javaDouble(value: number): string {
  return javaDecimal(value, String(Math.abs(value)))
}

/** Text of a float as `Float.toString` writes it: the fewest digits that give the float again. */
export function javaFloat(value: number): string {
  const magnitude = Math.abs(value)
  let text = String(magnitude)
  for (let digits = 1; digits <= FLOAT_DIGITS_MAX; digits += 1) {
    const shorter = magnitude.toPrecision(digits)
    if (Math.fround(Number(shorter)) !== magnitude) continue
    text = String(Number(shorter))
    break
  }
  return javaDecimal(value, text)
}

const FLOAT_DIGITS_MAX = 9
/** Within these bounds Java writes no exponent. */
const PLAIN_MIN = 1e-3
const PLAIN_BELOW = 1e7

function javaDecimal(value: number, digitsText: string): string {
  if (Number.isNaN(value)) return 'NaN'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const magnitude = Math.abs(value)
  if (magnitude === Number.POSITIVE_INFINITY) return `${sign}Infinity`
  if (magnitude === 0) return `${sign}0.0`
  const { digits, exponent } = significand(digitsText)
  if (magnitude >= PLAIN_MIN && magnitude < PLAIN_BELOW) return sign + plain(digits, exponent)
  return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${exponent}`
}

/** The digits without leading and trailing zeros, and the power of ten of the first one. */
function significand(text: string): { readonly digits: string; readonly exponent: number } {
  const [mantissa = '', power = '0'] = text.split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const all = whole + fraction
  const leading = all.length - all.replace(/^0+/, '').length
  const digits = all.slice(leading).replace(/0+$/, '')
  return { digits, exponent: Number(power) + whole.length - 1 - leading }
}

function plain(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${whole}.${digits.slice(exponent + 1) || '0'}`
}
