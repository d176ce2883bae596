import { DecodeError } from '@fairlead/base'

const WKB_LITTLE_ENDIAN = 1
const WKB_POINT = 1
const WKB_POINT_BYTES = 21

/** Bits of `io.debezium.data.Bits`: little endian, without leading zero bytes (`BitSet.toByteArray`). */
export function parseBits(text: string): Uint8Array {
  const bytes: number[] = []
  for (let end = text.length; end > 0; end -= 8) {
    bytes.push(Number.parseInt(text.slice(Math.max(0, end - 8), end), 2))
  }
  while (bytes.at(-1) === 0) bytes.pop()
  return Uint8Array.from(bytes)
}

/** `(1.5,-2)` as the fields of `io.debezium.data.geometry.Point`. */
export function parsePoint(text: string): readonly [number, number, Uint8Array, null] {
  const [, x, y] = /^\(([^,]+),([^)]+)\)$/.exec(text) ?? []
  if (x === undefined || y === undefined) throw new DecodeError(`"${text}" is no point`, 0)
  const wkb = new Uint8Array(WKB_POINT_BYTES)
  const view = new DataView(wkb.buffer)
  view.setUint8(0, WKB_LITTLE_ENDIAN)
  view.setUint32(1, WKB_POINT, true)
  view.setFloat64(5, Number(x), true)
  view.setFloat64(13, Number(y), true)
  return [Number(x), Number(y), wkb, null]
}

/** `"a"=>"1", "b"=>NULL`. */
export function parseHstore(text: string): ReadonlyMap<string, string | null> {
  const entries = new Map<string, string | null>()
  const pairs = text.matchAll(/"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)/gs)
  for (const [, key = '', value] of pairs) {
    entries.set(unescaped(key), value === undefined ? null : unescaped(value))
  }
  return entries
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/gs, '$1')
}
