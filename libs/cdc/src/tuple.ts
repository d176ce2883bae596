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

/** Starts and ends of columns; a negative start is a kind without bytes. */
export class ColumnBounds {
  #positions: Int32Array = new Int32Array(64)
  #count = 0

  get count(): number {
    return this.#count
  }

  clear(): void {
    this.#count = 0
  }

  add(start: number, end: number): void {
    const index = this.#count * 2
    if (index === this.#positions.length) this.#grow()
    this.#positions[index] = start
    this.#positions[index + 1] = end
    this.#count += 1
  }

  start(index: number): number {
    return this.#positions[index * 2] ?? IS_NULL
  }

  end(index: number): number {
    return this.#positions[index * 2 + 1] ?? 0
  }

  #grow(): void {
    const longer = new Int32Array(this.#positions.length * 2)
    longer.set(this.#positions)
    this.#positions = longer
  }
}

/**
 * The columns of a row, cut out of the message only when they are asked for. A value is a view of
 * the message and valid as long as that is; the tuple is, until the next message is decoded.
 */
export class Tuple {
  readonly bytes: Uint8Array
  /** Of all columns together, and what is between them. */
  readonly sizeBytes: number
  readonly columnCount: number
  readonly #bounds: ColumnBounds
  /** Of the first column among the bounds. */
  readonly #firstIndex: number

  /** The columns are the last ones of which the bounds were added. */
  constructor(
    bytes: Uint8Array,
    columns: { readonly bounds: ColumnBounds; readonly count: number },
    sizeBytes: number = bytes.length,
  ) {
    this.bytes = bytes
    this.sizeBytes = sizeBytes
    this.columnCount = columns.count
    this.#bounds = columns.bounds
    this.#firstIndex = columns.bounds.count - columns.count
    invariant(this.#firstIndex >= 0, 'every column has a start and an end')
  }

  /** Where the value starts in `bytes`; negative where it has no bytes, or there is no such column. */
  start(columnIndex: number | undefined): number {
    if (columnIndex === undefined || columnIndex >= this.columnCount) return IS_NULL
    return this.#bounds.start(this.#firstIndex + columnIndex)
  }

  /** Behind a value that has bytes. */
  end(columnIndex: number | undefined): number {
    return columnIndex === undefined ? 0 : this.#bounds.end(this.#firstIndex + columnIndex)
  }

  /** Undefined when there is no such column. */
  value(columnIndex: number): ColumnValue | undefined {
    if (columnIndex >= this.columnCount) return undefined
    const start = this.start(columnIndex)
    if (start === IS_NULL) return null
    if (start === IS_UNCHANGED) return UNCHANGED
    return this.bytes.subarray(start, this.end(columnIndex))
  }
}

/** A row that did not come from the log, in Postgres' text form; null is SQL null. */
export function tupleOf(values: readonly (Uint8Array | null)[]): Tuple {
  const sizeBytes = values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
  const bytes = new Uint8Array(sizeBytes)
  const bounds = new ColumnBounds()
  let position = 0
  for (const value of values) {
    if (value === null) {
      bounds.add(IS_NULL, 0)
      continue
    }
    bytes.set(value, position)
    bounds.add(position, position + value.length)
    position += value.length
  }
  return new Tuple(bytes, { bounds, count: values.length })
}

/** pgoutput TupleData. Binary columns (kind b) only come when asked for, which we never do. */
export function decodeTuple(reader: MessageReader, bounds: ColumnBounds): Tuple {
  const columnCount = reader.uint16()
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
    bounds.add(start, end)
  }
  return new Tuple(reader.bytes, { bounds, count: columnCount }, reader.messageBytes)
}
