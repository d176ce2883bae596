/** A decimal number: `unscaled` × 10^-`scale`, as BigDecimal of Java has it. */
export type Decimal = { readonly unscaled: bigint; readonly scale: number }

/** As Postgres writes a numeric; undefined for NaN and the infinities. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^(-?\d+)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(text)
  if (match === null) return undefined
  const [, whole = '', fraction = '', exponent = '0'] = match
  const scale = fraction.length - Number(exponent)
  const unscaled = BigInt(whole + fraction)
  return scale >= 0 ? { unscaled, scale } : { unscaled: unscaled * 10n ** BigInt(-scale), scale: 0 }
}

/** With more digits behind the point; Postgres has rounded to the scale of the column already. */
export function withScale({ unscaled, scale }: Decimal, wanted: number): Decimal {
  if (wanted === scale) return { unscaled, scale }
  if (wanted > scale) return { unscaled: unscaled * 10n ** BigInt(wanted - scale), scale: wanted }
  return { unscaled: unscaled / 10n ** BigInt(scale - wanted), scale: wanted }
}

/** `BigInteger.toByteArray`: two's complement, big endian, as few bytes as hold the sign, too. */
export function unscaledBytes(unscaled: bigint): Uint8Array {
  let length = 1
  while (BigInt.asIntN(length * 8, unscaled) !== unscaled) length += 1
  const bytes = new Uint8Array(length)
  let rest = unscaled
  for (let index = length - 1; index >= 0; index -= 1) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}
