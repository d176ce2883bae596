import type { BatchHeader, RecordsSummary } from '@fairlead/protocol'
import { visitRecords } from '@fairlead/protocol'
import type { LogConfig } from './log-config.ts'
import type { AppendErrorCode, AppendRefusal, RecordError } from './outcomes.ts'

/** What a topic demands of each record that a client writes. */
export type RecordRules = {
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly nowMs: number
  /** A compacted topic keeps the latest record of each key: one without a key would stay for ever. */
  readonly isKeyRequired: boolean
  /** Absent where the time of the append takes the place of the client's. */
  readonly timestamps: { readonly beforeMaxMs: number; readonly afterMaxMs: number } | undefined
}

/** Kafka's "no timestamp", which obeys every rule. */
const NO_TIMESTAMP_MS = -1
/** Records that are named in a refusal; a batch of a million bad ones must fit a response. */
const RECORD_ERRORS_MAX = 1000

export function recordRules(config: LogConfig, nowMs: number): RecordRules {
  return {
    nowMs,
    isKeyRequired: config.cleanupPolicy.includes('compact'),
    timestamps:
      config.messageTimestampType === 'LogAppendTime'
        ? undefined
        : {
            beforeMaxMs: config.messageTimestampBeforeMaxMs,
            afterMaxMs: config.messageTimestampAfterMaxMs,
          },
  }
}

/**
 * Why the records of a batch, uncompressed in `bytes` from `position` on, may not be appended, each
 * offender by its index (KIP-467). A look at the summary is enough for a batch where all is well.
 */
export function recordsRefusal(
  bytes: Uint8Array,
  position: number,
  batch: { readonly header: BatchHeader; readonly summary: RecordsSummary },
  rules: RecordRules,
): AppendRefusal | undefined {
  const { header, summary } = batch
  const { baseTimestampMs } = header
  const isSuspect =
    (rules.isKeyRequired && summary.keylessCount > 0) ||
    isOutOfRange(baseTimestampMs + summary.minTimestampDeltaMs, rules) ||
    isOutOfRange(baseTimestampMs + summary.maxTimestampDeltaMs, rules)
  if (!isSuspect) return undefined

  const errors: RecordError[] = []
  let hasBadTimestamp = false
  visitRecords(bytes, position, header.recordCount, (batchIndex, timestampDeltaMs, hasKey) => {
    const timestampMs = baseTimestampMs + timestampDeltaMs
    const isBadTimestamp = timestampMs !== NO_TIMESTAMP_MS && isOutOfRange(timestampMs, rules)
    hasBadTimestamp ||= isBadTimestamp
    const message =
      rules.isKeyRequired && !hasKey
        ? 'Compacted topic cannot accept message without key.'
        : isBadTimestamp
          ? timestampMessage(timestampMs, batchIndex, rules)
          : undefined
    if (message !== undefined && errors.length < RECORD_ERRORS_MAX) {
      errors.push({ batchIndex, message })
    }
  })
  if (errors.length === 0) return undefined
  return hasBadTimestamp
    ? recordsRefused('INVALID_TIMESTAMP', 'due to invalid timestamp', errors)
    : {
        ...recordsRefused('INVALID_RECORD', `due to ${errors.length} record errors`, errors),
        rejected: 'noKeyCompactedTopic',
      }
}

/** What the header of a batch that stays closed says about the times in it. */
export function headerTimestampRefusal(
  { maxTimestampMs }: BatchHeader,
  rules: RecordRules,
): AppendRefusal | undefined {
  if (maxTimestampMs === NO_TIMESTAMP_MS || !isOutOfRange(maxTimestampMs, rules)) return undefined
  return recordsRefused('INVALID_TIMESTAMP', 'due to invalid timestamp', [])
}

function isOutOfRange(timestampMs: number, { timestamps, nowMs }: RecordRules): boolean {
  if (timestamps === undefined) return false
  const ageMs = nowMs - timestampMs
  return ageMs >= 0 ? ageMs > timestamps.beforeMaxMs : -ageMs > timestamps.afterMaxMs
}

function timestampMessage(timestampMs: number, index: number, rules: RecordRules): string {
  const { beforeMaxMs = 0, afterMaxMs = 0 } = rules.timestamps ?? {}
  const earliest = Math.max(rules.nowMs - beforeMaxMs, 0)
  return `Timestamp ${timestampMs} of message with offset ${index} is out of range. The timestamp should be within [${earliest}, ${rules.nowMs + afterMaxMs}]`
}

function recordsRefused(
  errorCode: AppendErrorCode,
  reason: string,
  recordErrors: readonly RecordError[],
): AppendRefusal {
  const message = `One or more records have been rejected ${reason}`
  return { ok: false, errorCode, message, recordErrors }
}
