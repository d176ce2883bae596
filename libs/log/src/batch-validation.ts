import { DecodeError } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type Crc32c,
  RECORD_BYTES_MIN,
  batchCrc,
  checkRecords,
} from '@fairlead/protocol'
import type { LogConfig } from './log-config.ts'
import type { AppendContext, AppendErrorCode, AppendRefusal, RejectedRecords } from './outcomes.ts'
import { NO_PRODUCER_ID } from './producer-state.ts'
import { headerTimestampRefusal, recordRules, recordsRefusal } from './record-rules.ts'
import { headerAt } from './segment-scan.ts'

export type BatchRules = {
  readonly config: LogConfig
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly nowMs: number
  readonly origin: AppendContext['origin']
  readonly crc32c: Crc32c
}

/** A batch that may be appended, and where it starts in the bytes that were given. */
export type ValidBatch = {
  readonly position: number
  readonly header: BatchHeader
  /** Of the records, whatever the header says; of the header where the records were not looked at. */
  readonly maxTimestampMs: number
}

/** Of magic 0 and 1 as well: the byte is at the same place in all three formats. */
const MAGIC_POSITION = 16
const MAGIC = 2

/**
 * Checks bytes from outside before any of them counts: form, size, checksum, offsets and attributes
 * of every batch, in the order and with the error codes of Kafka's log validator. The records of a
 * client's batch are walked unless they are compressed: what has to be opened goes through
 * `openBatch` first.
 */
export function validateBatches(
  records: Uint8Array,
  rules: BatchRules,
): { readonly ok: true; readonly batches: readonly ValidBatch[] } | AppendRefusal {
  const batches: ValidBatch[] = []
  let position = 0
  while (position < records.length) {
    const magic = records[position + MAGIC_POSITION]
    if (magic !== undefined && magic < MAGIC) {
      const message = `message format ${magic} is no longer written`
      return refused('INVALID_RECORD', message, 'invalidMagicNumber')
    }
    const header =
      records.length - position < BATCH_HEADER_BYTES
        ? 'a batch is cut short'
        : headerAt(records, position)
    if (typeof header === 'string') {
      const isUnknown = magic !== undefined && magic !== MAGIC
      return refused('CORRUPT_MESSAGE', header, isUnknown ? 'invalidMagicNumber' : undefined)
    }
    const outcome = problemOf(records, position, header, rules)
    if (typeof outcome === 'object') return outcome
    batches.push({ position, header, maxTimestampMs: outcome })
    position += header.sizeBytes
  }
  if (batches.length === 0) return refused('INVALID_RECORD', 'there is no record batch')
  return { ok: true, batches }
}

/** What is wrong with a batch, or the greatest time in it. */
function problemOf(
  records: Uint8Array,
  position: number,
  header: BatchHeader,
  rules: BatchRules,
): AppendRefusal | number {
  const { sizeBytes, recordCount, lastOffsetDelta } = header
  const { maxMessageBytes } = rules.config
  // What the broker itself writes is bounded where it is made: a limit for clients must not stop it.
  if (rules.origin === 'client' && sizeBytes > maxMessageBytes) {
    const message = `a batch of ${sizeBytes} bytes is larger than ${maxMessageBytes}`
    return refused('MESSAGE_TOO_LARGE', message)
  }
  if (batchCrc(records, position, header, rules.crc32c) !== header.crc) {
    return refused('CORRUPT_MESSAGE', 'the checksum does not match', 'invalidMessageCrc')
  }
  if (recordCount <= 0 || recordCount !== lastOffsetDelta + 1) {
    const message = `${recordCount} records end at offset delta ${lastOffsetDelta}`
    return refused('INVALID_RECORD', message, 'invalidOffsetOrSequence')
  }
  // Offsets are assigned by this count: without a limit a small batch would use up two billion.
  const recordBytes = sizeBytes - BATCH_HEADER_BYTES
  if (header.compression === 'none' && recordCount * RECORD_BYTES_MIN > recordBytes) {
    return refused('INVALID_RECORD', `${recordCount} records in ${recordBytes} bytes`)
  }
  if (header.producerId !== NO_PRODUCER_ID && header.producerEpoch < 0) {
    return refused('INVALID_PRODUCER_EPOCH', `producer epoch ${header.producerEpoch} is negative`)
  }
  if (rules.origin !== 'client') return header.maxTimestampMs
  return clientProblemOf(header) ?? recordsProblemOf(records, position, header, rules)
}

function recordsProblemOf(
  records: Uint8Array,
  position: number,
  header: BatchHeader,
  { config, nowMs }: BatchRules,
): AppendRefusal | number {
  const rules = recordRules(config, nowMs)
  if (header.compression !== 'none') {
    return headerTimestampRefusal(header, rules) ?? header.maxTimestampMs
  }
  const batch = records.subarray(position, position + header.sizeBytes)
  try {
    const summary = checkRecords(batch, BATCH_HEADER_BYTES, header.recordCount)
    const refusal = recordsRefusal(batch, BATCH_HEADER_BYTES, { header, summary }, rules)
    return refusal ?? header.baseTimestampMs + summary.maxTimestampDeltaMs
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return refused('INVALID_RECORD', error.message)
  }
}

function clientProblemOf(header: BatchHeader): AppendRefusal | undefined {
  if (header.baseOffset !== 0) {
    const message = `base offset ${header.baseOffset} is not 0`
    return refused('INVALID_RECORD', message, 'invalidOffsetOrSequence')
  }
  // Readers would take the batch's own time for that of every record.
  if (header.timestampType === 'LogAppendTime') {
    return refused('INVALID_TIMESTAMP', 'only the broker stamps the time of the append')
  }
  if (header.isControl) return refused('INVALID_RECORD', 'clients write no control batches')
  if (header.producerId !== NO_PRODUCER_ID && header.baseSequence < 0) {
    const message = `sequence ${header.baseSequence} is negative`
    return refused('INVALID_RECORD', message, 'invalidOffsetOrSequence')
  }
  // No coordinator would ever end the transaction, and readers would wait for it.
  if (header.isTransactional) {
    return refused('INVALID_TXN_STATE', 'no transaction was begun for this partition')
  }
  return undefined
}

export function refused(
  errorCode: AppendErrorCode,
  message: string,
  rejected?: RejectedRecords,
): AppendRefusal {
  return { ok: false, errorCode, message, ...(rejected === undefined ? {} : { rejected }) }
}
