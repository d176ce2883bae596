import { invariant } from '@fairlead/base'
import type { MessageReader } from './message-reader.ts'

/** Value of a column: bytes in Postgres' text form, SQL null, or a TOAST value that did not change. */
export type ColumnValue = Uint8Array | null | typeof UNCHANGED

/** The row was updated, and this large value was not: Postgres does not send it again. */
export const UNCHANGED: unique symbol = Symbol('unchanged')

const KIND_NULL = 0x6e // n
const KIND_UNCHANGED = 0x75 // u
const KIND_TEXT = 0x74 // t
const IS_NULL = -1
const IS_UNCHANGED = -2

/**
 * The columns of a row, cut out of the message only when they are asked for. A value is a view of
 * the message and valid as long as that is.
 */
export class Tuple {
  readonly bytes: Uint8Array
  /** Of all columns together, and what is between them. */
  readonly sizeBytes: number
  /** Start and end of each column; a negative start is a kind without bytes. */
  readonly #bounds: readonly number[]

  constructor(bytes: Uint8Array, bounds: readonly number[], sizeBytes: number = bytes.length) {
    invariant(bounds.length % 2 === 0, 'every column has a start and an end')
    this.bytes = bytes
    this.sizeBytes = sizeBytes
    this.#bounds = bounds
  }

  get columnCount(): number {
    return this.#bounds.length / 2
  }

  /** Where the value starts in `bytes`; negative where it has no bytes, or there is no such column. */
  start(columnIndex: number | undefined): number {
    return columnIndex === undefined ? IS_NULL : (this.#bounds[columnIndex * 2] ?? IS_NULL)
  }

  /** Behind a value that has bytes. */
  end(columnIndex: number | undefined): number {
    return columnIndex === undefined ? 0 : (this.#bounds[columnIndex * 2 + 1] ?? 0)
  }

  /** Undefined when there is no such column. */
  value(columnIndex: number): ColumnValue | undefined {
    const start = this.#bounds[columnIndex * 2]
    if (start === undefined) return undefined
    if (start === IS_NULL) return null
    if (start === IS_UNCHANGED) return UNCHANGED
    return this.bytes.subarray(start, this.#bounds[columnIndex * 2 + 1])
  }
}

/** A row that did not come from the log, in Postgres' text form; null is SQL null. */
export function tupleOf(values: readonly (Uint8Array | null)[]): Tuple {
  const sizeBytes = values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
  const bytes = new Uint8Array(sizeBytes)
  const bounds: number[] = []
  let position = 0
  for (const value of values) {
    if (value === null) {
      bounds.push(IS_NULL, 0)
      continue
    }
    bytes.set(value, position)
    bounds.push(position, position + value.length)
    position += value.length
  }
  return new Tuple(bytes, bounds)
}

/** pgoutput TupleData. Binary columns (kind b) only come when asked for, which we never do. */
export function decodeTuple(reader: MessageReader): Tuple {
  const columnCount = reader.uint16()
  const bounds: number[] = []
  for (let column = 0; column < columnCount; column += 1) {
    const kindPosition = reader.position
    const kind = reader.uint8()
    let start = IS_NULL
    let end = 0
    if (kind === KIND_TEXT) {
      const length = reader.int32()
      start = reader.skip(length)
      end = start + length
    } else if (kind === KIND_UNCHANGED) {
      start = IS_UNCHANGED
    } else if (kind !== KIND_NULL) {
      throw reader.failure(`unknown kind ${kind} of column ${column}`, kindPosition)
    }
    bounds.push(start, end)
  }
  return new Tuple(reader.bytes, bounds, reader.messageBytes)
}
