import type { IncomingRecord } from '@fairlead/kafka'
import { UsageError } from '../command/command.ts'
import { unescape } from './cat-options.ts'

/** A record whose key and value are as they are printed: decoded, or as they are. */
export type PrintedRecord = {
  readonly record: IncomingRecord
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Decoded by a schema: JSON shows them as objects. */
  readonly keyIsJson: boolean
  readonly valueIsJson: boolean
}

export type FormatRecord = (printed: PrintedRecord) => Uint8Array

type Piece = (printed: PrintedRecord) => Uint8Array | string

const EMPTY = new Uint8Array(0)
const NULL = Buffer.from('NULL')
const NULL_LENGTH = -1

const TOKENS: Readonly<Record<string, Piece>> = {
  S: ({ value }) => String(value?.length ?? NULL_LENGTH),
  R: ({ value }) => int32(value?.length ?? NULL_LENGTH),
  K: ({ key }) => String(key?.length ?? NULL_LENGTH),
  t: ({ record }) => record.topic,
  p: ({ record }) => String(record.partition),
  o: ({ record }) => String(record.offset),
  T: ({ record }) => String(record.timestampMs),
  h: ({ record }) =>
    record.headers.map(([name, value]) => `${name}=${headerText(value)}`).join(','),
  '%': () => '%',
}

/** What stands for no bytes: with `-Z` the word NULL, also for a key or a value that is empty. */
export function shownBytes(bytes: Uint8Array | null, isEmptyNull: boolean): Uint8Array {
  return isEmptyNull && (bytes === null || bytes.length === 0) ? NULL : (bytes ?? EMPTY)
}

/** kcat's `-f`: `%s %k %t %p %o %T %h %S %K %R %%` and escapes. @throws {UsageError} */
export function compileFormat(format: string, isEmptyNull = false): FormatRecord {
  const tokens: Readonly<Record<string, Piece>> = {
    ...TOKENS,
    s: ({ value }) => shownBytes(value, isEmptyNull),
    k: ({ key }) => shownBytes(key, isEmptyNull),
  }
  const pieces: Piece[] = []
  for (const [text] of format.matchAll(/%.|[^%]+|%$/gs)) {
    if (!text.startsWith('%')) {
      const literal = unescape(text)
      pieces.push(() => literal)
      continue
    }
    const letter = text.slice(1)
    const piece = Object.hasOwn(tokens, letter) ? tokens[letter] : undefined
    if (piece === undefined) throw new UsageError(`-f knows no ${text}: see fairlead cat --help`)
    pieces.push(piece)
  }
  return (printed) => Buffer.concat(pieces.map((piece) => bytesOf(piece(printed))))
}

/** kcat's `-J`: one object per line. Bytes that are no UTF-8 are replaced, as there. */
export function formatJson(printed: PrintedRecord): Uint8Array {
  const { record } = printed
  return Buffer.from(
    `${JSON.stringify({
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      tstype: 'create',
      ts: record.timestampMs,
      ...(record.headers.length === 0
        ? {}
        : { headers: record.headers.flatMap(([name, value]) => [name, textOrNull(value)]) }),
      key: jsonOf(printed.key, printed.keyIsJson),
      payload: jsonOf(printed.value, printed.valueIsJson),
    })}\n`,
  )
}

function jsonOf(bytes: Uint8Array | null, isJson: boolean): unknown {
  const text = textOrNull(bytes)
  return isJson && text !== null ? rawJson(text) : text
}

/** Keeps 64-bit numbers as they are: parsing would round them. */
function rawJson(text: string): unknown {
  const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }
  return /^[[{]/.test(text) ? new RawObject(text) : rawJSON(text)
}

/** JSON.rawJSON takes no objects: they are rebuilt with raw numbers inside. */
class RawObject {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toJSON(): unknown {
    const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }
    const reviver = (_: string, value: unknown, context: { readonly source?: string }): unknown =>
      typeof value === 'number' && context.source !== undefined ? rawJSON(context.source) : value
    return JSON.parse(this.#text, reviver as Parameters<typeof JSON.parse>[1])
  }
}

function textOrNull(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}

function headerText(value: Uint8Array | null): string {
  return textOrNull(value) ?? 'NULL'
}

function bytesOf(piece: Uint8Array | string): Uint8Array {
  return typeof piece === 'string' ? Buffer.from(piece) : piece
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
