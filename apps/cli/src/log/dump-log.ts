import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, EXIT, integerOption, isSet } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { type RecordRow, recordRows } from './dump-records.ts'
import { segmentsOf } from './partition-folders.ts'
import { type StoredBatch, readSegment } from './read-segment.ts'

type BatchRow = JsonObject & {
  readonly file: string
  readonly position: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly recordCount: number
  readonly leaderEpoch: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly compression: string
  readonly timestampType: string
  readonly maxTimestampMs: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly sizeBytes: number
  readonly crc: number
  readonly isValid: boolean
}

const BATCH_COLUMNS: readonly Column<BatchRow>[] = [
  { title: 'position', value: ({ position }) => position, align: 'right' },
  { title: 'base', value: ({ baseOffset }) => baseOffset, align: 'right' },
  { title: 'last', value: ({ lastOffset }) => lastOffset, align: 'right' },
  { title: 'records', value: ({ recordCount }) => recordCount, align: 'right' },
  { title: 'epoch', value: ({ leaderEpoch }) => leaderEpoch, align: 'right' },
  { title: 'producer', value: ({ producerId }) => producerId, align: 'right' },
  { title: 'p-epoch', value: ({ producerEpoch }) => producerEpoch, align: 'right' },
  { title: 'sequence', value: ({ baseSequence }) => baseSequence, align: 'right' },
  { title: 'codec', value: ({ compression }) => compression },
  { title: 'max-time', value: ({ maxTimestampMs }) => isoTime(maxTimestampMs) },
  { title: 'bytes', value: ({ sizeBytes }) => sizeBytes, align: 'right' },
  { title: 'crc', value: ({ isValid }) => (isValid ? 'ok' : 'WRONG') },
]

const RECORD_COLUMNS: readonly Column<RecordRow>[] = [
  { title: 'offset', value: ({ offset }) => offset, align: 'right' },
  { title: 'time', value: ({ timestampMs }) => isoTime(timestampMs) },
  { title: 'key', value: ({ key }) => key ?? '(null)' },
  { title: 'value', value: ({ value }) => value ?? '(null)' },
  { title: 'headers', value: ({ headers }) => headers.length, align: 'right' },
]

const LIMIT_DEFAULT = 1_000
const LIMIT_MAX = 1_000_000

export const DUMP_LOG: Command = {
  name: 'log dump',
  summary: 'Shows the batches, or the records, of segments on this disk; needs no broker.',
  positionals: '<segment.log or partition folder>...',
  positionalCount: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    records: { short: 'r', doc: 'records instead of batches' },
    decode: { doc: 'with --records: read __consumer_offsets as what it holds' },
    'from-offset': { value: 'offset', doc: 'begin with this offset (default: the first)' },
    limit: { value: 'n', doc: `end after n batches or records (default: ${LIMIT_DEFAULT})` },
  },
  notes:
    'Of Apache Kafka, too: the segments are the same. Bytes that are no batch end a segment, with exit\n' +
    'code 1; so does a batch with a wrong checksum. The end of the newest segment of a broker that was\n' +
    'killed may look like that: its next start cuts it.',
  async run({ positionals, options, output }) {
    const limit = integerOption(options, 'limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_DEFAULT
    const range = { min: 0, max: Number.MAX_SAFE_INTEGER }
    const fromOffset = integerOption(options, 'from-offset', range) ?? 0
    const showsRecords = isSet(options, 'records')
    const batches: BatchRow[] = []
    const records: RecordRow[] = []
    const problems: string[] = []
    for await (const found of batchesOf(positionals, fromOffset)) {
      if ('problem' in found) {
        problems.push(`${found.path}: at byte ${found.position}: ${found.problem}`)
        continue
      }
      const rows = showsRecords ? records : batches
      if (rows.length >= limit) {
        output.note(`There is more: --limit ${limit} is reached.`)
        break
      }
      if (!found.batch.isValid) {
        problems.push(`${found.path}: at byte ${found.batch.position}: the checksum is wrong`)
      }
      batches.push(batchRow(found.path, found.batch))
      if (!showsRecords) continue
      const ofBatch = recordRows(found.batch, isSet(options, 'decode'))
      if ('problem' in ofBatch) problems.push(`${found.path}: ${ofBatch.problem}`)
      else records.push(...ofBatch.rows.filter(({ offset }) => offset >= fromOffset))
    }
    if (showsRecords) output.list(records.slice(0, limit), RECORD_COLUMNS)
    else output.list(batches, BATCH_COLUMNS)
    for (const problem of problems) output.note(`fairlead: ${problem}`)
    return problems.length === 0 ? EXIT.ok : EXIT.failed
  },
}

type Found =
  | { readonly path: string; readonly batch: StoredBatch }
  | { readonly path: string; readonly position: number; readonly problem: string }

async function* batchesOf(
  paths: readonly string[],
  fromOffset: number,
): AsyncGenerator<Found, void, void> {
  for (const path of await segmentPaths(paths)) {
    for await (const found of readSegment(path)) {
      if ('problem' in found) yield { path, ...found }
      else if (lastOffset(found) >= fromOffset) yield { path, batch: found }
    }
  }
}

/** Segments as they are, folders as the segments in them. */
async function segmentPaths(paths: readonly string[]): Promise<readonly string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      if (!(await stat(path)).isDirectory()) return [path]
      return (await segmentsOf(path)).map((name) => join(path, name))
    }),
  )
  return lists.flat()
}

function lastOffset({ header }: StoredBatch): number {
  return header.baseOffset + header.lastOffsetDelta
}

function batchRow(file: string, batch: StoredBatch): BatchRow {
  const { header, position, isValid } = batch
  return {
    file,
    position,
    baseOffset: header.baseOffset,
    lastOffset: lastOffset(batch),
    recordCount: header.recordCount,
    leaderEpoch: header.partitionLeaderEpoch,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    compression: header.compression,
    timestampType: header.timestampType,
    maxTimestampMs: header.maxTimestampMs,
    isTransactional: header.isTransactional,
    isControl: header.isControl,
    sizeBytes: header.sizeBytes,
    crc: header.crc,
    isValid,
  }
}

/** Producers choose times: not all of them are dates. */
function isoTime(timestampMs: number): string {
  const date = new Date(timestampMs)
  return timestampMs < 0 || Number.isNaN(date.getTime()) ? String(timestampMs) : date.toISOString()
}
