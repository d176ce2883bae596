/**
 * How the parts of a record are written in a record batch (magic 2): zigzag varints, and bytes behind
 * their length, -1 for null.
 */

/** Below, a loop is faster than the call that copies. */
const LOOP_BYTES_MAX = 40

/** Bytes that `writeVarint` writes. */
export function varintSize(value: number): number {
  if (value >= 0 && value < 0x40) return 1
  let size = 1
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
  return size
}

/** Gives the position behind it. */
export function writeVarint(target: Uint8Array, position: number, value: number): number {
  if (value >= 0 && value < 0x40) {
    target[position] = value * 2
    return position + 1
  }
  let at = position
  let rest = zigzag(value)
  while (rest >= 0x80) {
    target[at] = (rest % 0x80) | 0x80
    at += 1
    rest = Math.floor(rest / 0x80)
  }
  target[at] = rest
  return at + 1
}

/** What `writeVarint` wrote: it ends `varintSize` of it further. */
export function readVarint(source: Uint8Array, position: number): number {
  let rest = 0
  let factor = 1
  for (let at = position; ; at += 1, factor *= 0x80) {
    const byte = source[at] ?? 0
    rest += (byte & 0x7f) * factor
    if (byte < 0x80) return rest % 2 === 0 ? rest / 2 : -(rest + 1) / 2
  }
}

/** Bytes that `writeNullableBytes` writes. */
export function nullableBytesSize(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length
}

/** Gives the position behind them. */
export function writeNullableBytes(
  target: Uint8Array,
  position: number,
  bytes: Uint8Array | null,
): number {
  if (bytes === null) return writeVarint(target, position, -1)
  const start = writeVarint(target, position, bytes.length)
  return copyBytes(bytes, 0, bytes.length, target, start)
}

/** The bytes from `start` up to before `end`; gives the position behind them. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
): number {
  const length = end - start
  if (length > LOOP_BYTES_MAX) target.set(source.subarray(start, end), position)
  else {
    for (let index = 0; index < length; index += 1) {
      target[position + index] = source[start + index] as number
    }
  }
  return position + length
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}
