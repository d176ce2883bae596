import type { IncomingRecord } from '@fairlead/kafka'
import type { CapturedRecord } from './real-debezium.ts'

/** A record in a form that people can read and that is the same in every run. */
export type ComparableRecord = {
  readonly topic: string
  /** Only where the row names it. */
  readonly partition: number | null
  /** Only where a column gives it; else the time of processing. */
  readonly timestamp: number | null
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [name: string, value: string | null])[]
}

/** The relay's own headers, by which it finds again what it has published. */
const OWN_HEADER = /^cdc\./
const RUN_ID_HEADER = '__debezium.context.runId'
/** Times, positions and versions differ from run to run. */
const VOLATILE_NUMBER = /"(ts_ms|ts_us|ts_ns|txId|lsn)":\d+/g
const VOLATILE_TEXT = /"(version|sequence|db)":"(?:[^"\\]|\\.)*"/g
/** Nothing in the scenarios is as new as the run that captures them. */
const PROCESSING_TIMES_FROM_MS = Date.UTC(2026, 10, 28)

export function comparable(record: CapturedRecord): ComparableRecord {
  if (record.failed !== undefined) throw new Error(`${record.topic}: ${record.failed}`)
  const { topic, partition = null, timestamp = null, key = null, value = null } = record
  const headers = (record.headers ?? []).filter(([name]) => !OWN_HEADER.test(name))
  return {
    topic,
    partition,
    timestamp: timestamp !== null && timestamp >= PROCESSING_TIMES_FROM_MS ? null : timestamp,
    key: readable(key),
    value: readable(value),
    headers: headers.map(([name, text]) => [name, name === RUN_ID_HEADER ? '…' : readable(text)]),
  }
}

export function capturedRecord(record: IncomingRecord): CapturedRecord {
  const { topic, partition, timestampMs, key, value, headers } = record
  return {
    topic,
    partition,
    timestamp: timestampMs,
    key: base64(key),
    value: base64(value),
    headers: headers.map(([name, bytes]) => [name, base64(bytes)]),
  }
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('base64')
}

/** Text as it is, what is none in base64. */
function readable(encoded: string | null): string | null {
  if (encoded === null) return null
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  if (/[\0-\b\ufffd]/.test(text)) return `base64:${encoded}`
  return text.replaceAll(VOLATILE_NUMBER, '"$1":0').replaceAll(VOLATILE_TEXT, '"$1":"…"')
}
