import { type LogRecord, type Projection, redactPersonal } from '@fairlead/projection'
import type { RecordReader } from '../log/prepare-records.ts'
import { editedRecord } from '../store/edited-record.ts'
import type { ListedLetter, WholeLetter } from '../store/list-letters.ts'

/** A letter in a list. */
export function letterJson(letter: ListedLetter) {
  const { id, blockedBy, offset } = letter
  return {
    ...letter,
    id: String(id),
    blockedBy: blockedBy === null ? null : String(blockedBy),
    offset: Number(offset),
  }
}

/** What this process can say about the value of a letter. */
export type DecodedLetter =
  | { readonly value: unknown; readonly undecodable: null }
  | { readonly value: null; readonly undecodable: string }

/**
 * A letter with all that is kept of it. Without `reveal` the fields that the schema marks as personal
 * are left out, and with them the bytes that they are in.
 */
export function wholeLetterJson(
  { projectionId, codeHash, keyBytes, value, editedValue, headers, ...letter }: WholeLetter,
  decoded: DecodedLetter,
  options: { readonly reveal: boolean },
) {
  return {
    ...letterJson(letter),
    projectionId,
    codeHash: codeHash.toString('hex'),
    headers: headers.map(([name, header]) => [name, headerText(header)]),
    ...decoded,
    ...(options.reveal
      ? {
          keyBase64: keyBytes?.toString('base64') ?? null,
          valueBase64: value?.toString('base64') ?? null,
          editedValueBase64: editedValue?.toString('base64') ?? null,
          headersBase64: headers,
        }
      : {}),
  }
}

function headerText(base64: string | null): string | null {
  return base64 === null ? null : Buffer.from(base64, 'base64').toString()
}

/** The record as the projection would read it: with its edited value, if it has one. */
export function recordOfLetter(letter: WholeLetter): LogRecord {
  const record: LogRecord = {
    topic: letter.topic,
    partition: letter.partition,
    offset: Number(letter.offset),
    timestampMs: letter.eventTime.getTime(),
    key: letter.keyBytes,
    value: letter.value,
    headers: letter.headers.map(([name, header]) => [
      name,
      header === null ? null : Buffer.from(header, 'base64'),
    ]),
  }
  return letter.editedValue === null ? record : editedRecord(record, letter.editedValue)
}

export async function decodeLetter(
  { reader, sources }: { readonly reader: RecordReader } & Pick<Projection, 'sources'>,
  letter: WholeLetter,
  options: { readonly reveal: boolean },
): Promise<DecodedLetter> {
  const [prepared] = await reader.prepare([recordOfLetter(letter)])
  switch (prepared?.content.kind) {
    case 'event': {
      const { event } = prepared.content
      const data = options.reveal ? event.data : redactPersonal(sources, event)
      return { value: plainJson(data), undecodable: null }
    }
    case 'undecodable':
      return { value: null, undecodable: String(prepared.content.error) }
    case 'ignored':
    case 'unknown':
    case undefined:
      return { value: null, undecodable: 'the projection has no handler for it' }
  }
}

/** Values of Avro as JSON that can be edited: longs beyond 2^53 and what no number of JSON is are text, bytes a character each. */
function plainJson(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plainJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, plainJson(member)]),
  )
}
