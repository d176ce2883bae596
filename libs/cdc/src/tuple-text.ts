import type { Tuple } from './tuple.ts'

/**
 * A database with encoding SQL_ASCII may hold bytes that are no UTF-8. They show up as U+FFFD in
 * names, which no topic name may contain; key and payload are passed on as bytes.
 */
const LENIENT_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/** Texts of a column that mostly has the value of the row before. */
export class RepeatedText {
  #bytes = new Uint8Array()
  #text = ''

  of(tuple: Tuple, column: number | undefined): string | null {
    const start = tuple.start(column)
    if (start < 0) return null
    const end = tuple.end(column)
    if (this.#isSame(tuple.bytes, start, end)) return this.#text
    const decoded = LENIENT_TEXT.decode(tuple.bytes.subarray(start, end))
    if (end - start <= REPEATED_BYTES_MAX) {
      this.#bytes = new Uint8Array(tuple.bytes.subarray(start, end))
      this.#text = decoded
    }
    return decoded
  }

  #isSame(bytes: Uint8Array, start: number, end: number): boolean {
    const last = this.#bytes
    if (last.length !== end - start) return false
    for (let index = 0; index < last.length; index += 1) {
      if (last[index] !== bytes[start + index]) return false
    }
    return true
  }
}

const REPEATED_BYTES_MAX = 64
const ASCII_MAX = 0x7f

export function text(tuple: Tuple, column: number | undefined): string | null {
  const start = tuple.start(column)
  return start < 0 ? null : LENIENT_TEXT.decode(tuple.bytes.subarray(start, tuple.end(column)))
}

export function hasBytes(tuple: Tuple, column: number | undefined): boolean {
  const start = tuple.start(column)
  return start >= 0 && tuple.end(column) > start
}

/** The bytes of the column are the text that is read from them. Not of a null. */
export function isAscii(tuple: Tuple, column: number | undefined): boolean {
  const { bytes } = tuple
  const start = tuple.start(column)
  const end = tuple.end(column)
  for (let position = start; position < end; position += 1) {
    if ((bytes[position] as number) > ASCII_MAX) return false
  }
  return start >= 0
}
