import { DecodeError } from '@fairlead/base'
import {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
  decodeRecords,
  decodeVersioned,
  versionOf,
} from '@fairlead/protocol'
import { boundedDecompress } from '@fairlead/runtime'
import type { JsonObject } from '../output/output.ts'
import type { StoredBatch } from './read-segment.ts'

export type RecordRow = JsonObject & {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (JsonObject & {
    readonly key: string
    readonly value: string | null
  })[]
}

/** A batch of a broker holds 1 MiB; compressed ones may hold this much. */
const DECOMPRESSED_BYTES_MAX = 268_435_456
const OFFSET_KEY_VERSION_MAX = 1

const decompress = boundedDecompress(DECOMPRESSED_BYTES_MAX)

/** The records of a batch, or why they cannot be read. */
export function recordRows(
  { bytes, header }: StoredBatch,
  isDecoded: boolean,
): { readonly rows: readonly RecordRow[] } | { readonly problem: string } {
  try {
    const rows = decodeRecords(bytes, 0, header, decompress).map((record): RecordRow => {
      const { offset, timestampMs, headers } = record
      const { key, value } = isDecoded ? groupRecord(record) : texts(record)
      return {
        offset,
        timestampMs,
        key,
        value,
        headers: headers.map((entry) => ({ key: entry.key, value: textOf(entry.value) })),
      }
    })
    return { rows }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { problem: `the records at offset ${header.baseOffset}: ${error.message}` }
  }
}

type KeyAndValue = { readonly key: Uint8Array | null; readonly value: Uint8Array | null }

function texts({ key, value }: KeyAndValue) {
  return { key: textOf(key), value: textOf(value) }
}

/** Bytes that are no UTF-8 are shown in base64. */
function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return `base64:${Buffer.from(bytes).toString('base64')}`
  }
}

/** A record of `__consumer_offsets`: what commits an offset, or describes a group. */
function groupRecord({ key, value }: KeyAndValue) {
  if (key === null) return texts({ key, value })
  const isOffset = versionOf(key) <= OFFSET_KEY_VERSION_MAX
  return isOffset
    ? {
        key: readable(decodeVersioned(OFFSET_COMMIT_KEY, key).value),
        value: value === null ? null : readable(decodeVersioned(OFFSET_COMMIT_VALUE, value).value),
      }
    : {
        key: readable(decodeVersioned(GROUP_METADATA_KEY, key).value),
        value: value === null ? null : readable(decodeVersioned(GROUP_METADATA_VALUE, value).value),
      }
}

function readable(decoded: object): string {
  return JSON.stringify(decoded, readableValue)
}

function readableValue(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `base64:${Buffer.from(value).toString('base64')}` : value
}
