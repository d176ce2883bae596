import { DecodeError, InvariantViolation } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BATCH_HEADER_BYTES, readBatchHeader, splitBatches } from './batch/batch-header.ts'
import { checkRecords, visitRecords } from './batch/check-records.ts'
import { crc32c } from './batch/crc32c.ts'
import { RecordCursor } from './batch/record-cursor.ts'
import { decodeRecords, encodeBatch } from './batch/records.ts'
import { compressLz4 } from './compression/compress-lz4.ts'
import { compressSnappy } from './compression/compress-snappy.ts'
import { decompressLz4 } from './compression/lz4.ts'
import { decompressSnappy } from './compression/snappy.ts'
import { API_DEFINITIONS, APIS, type ApiName } from './apis.ts'
import { decodeRequest, decodeRequestHeader, encodeRequest } from './frames.ts'
import {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
} from './records/group-records.ts'
import { decodeMetadataRecord } from './records/metadata-records.ts'
import { type VersionedSchema, decodeVersioned } from './records/versioned.ts'
import { structArbitrary } from './testing/struct-arbitrary.ts'

/**
 * Bytes from a hostile peer, whatever decodes them: the outcome is a value or a `DecodeError`, what is
 * built is at most a constant times what came in, and the time follows the size.
 *
 * Set HOSTILE_RUNS to search longer, and HOSTILE_SEED to repeat what failed.
 */
const RUNS = Number(process.env['HOSTILE_RUNS'] ?? 40)
const SEED = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 1_000_000)
/** An element of a byte or two becomes an object with all of its fields, most of them defaults. */
const BUILT_PER_BYTE_MAX = 400
const BUILT_BESIDE = 4_000
/** For inputs of at most `INPUT_BYTES_MAX`, of processor time: a machine that is busy is not slow. */
const CPU_MS_MAX = 400
const INPUT_BYTES_MAX = 64 * 1024
const DECOMPRESSED_BYTES_MAX = 1_000_000

/** Bytes as V8 might keep them, about; views of the input cost as much, whatever their length. */
function builtBytes(value: unknown, seen: Set<object> = new Set()): number {
  if (typeof value === 'string') return 16 + value.length * 2
  if (typeof value !== 'object' || value === null) return 8
  // The default of an absent array or struct is one for all.
  if (seen.has(value)) return 8
  seen.add(value)
  if (ArrayBuffer.isView(value)) return 100
  const inner = Array.isArray(value) ? value : Object.values(value)
  return inner.reduce<number>((sum, item) => sum + 8 + builtBytes(item, seen), 40)
}

function decodeAsBroker(frame: Uint8Array): unknown {
  const header = decodeRequestHeader(frame)
  const name = (Object.keys(APIS) as ApiName[]).find((api) => APIS[api].key === header.apiKey)
  if (name === undefined) return header
  const { firstVersion, lastVersion } = APIS[name]
  if (header.apiVersion < firstVersion || header.apiVersion > lastVersion) return header
  return decodeRequest(name, header.apiVersion, frame, header.bodyPosition)
}

function recordsOf(bytes: Uint8Array): unknown {
  return splitBatches(bytes).map((header) => ({
    summary: checkRecords(
      bytes.subarray(0, header.sizeBytes),
      BATCH_HEADER_BYTES,
      header.recordCount,
    ),
    records: decodeRecords(bytes, header.position, header, (type, stored) =>
      type === 'lz4'
        ? decompressLz4(stored, DECOMPRESSED_BYTES_MAX)
        : decompressSnappy(stored, DECOMPRESSED_BYTES_MAX),
    ),
  }))
}

function walked(bytes: Uint8Array): unknown {
  const header = readBatchHeader(bytes, 0)
  let count = 0
  visitRecords(bytes, BATCH_HEADER_BYTES, Math.min(header.recordCount, 1e6), () => (count += 1))
  const cursor = new RecordCursor(bytes.subarray(BATCH_HEADER_BYTES), header)
  while (cursor.next()) count += cursor.key.length
  return count
}

/** What each decoder is fed with, before it is mutated. */
const requests = Object.keys(APIS).map((api) => {
  const name = api as ApiName
  const { firstVersion, lastVersion } = APIS[name]
  const frames = fc.integer({ min: firstVersion, max: lastVersion }).chain((version) =>
    structArbitrary(API_DEFINITIONS[name].request, version).map((body) => {
      const request = { name, version, correlationId: 1, clientId: 'c', body }
      return joined(encodeRequest(request as Parameters<typeof encodeRequest>[0])).subarray(4)
    }),
  )
  return { what: `${name} requests`, sound: frames, decode: decodeAsBroker }
})

const record = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 9 })),
  value: fc.option(fc.uint8Array({ maxLength: 60 })),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 4 }), value: fc.constant(null) }), {
    maxLength: 2,
  }),
  timestampMs: fc.integer({ min: 0, max: 2 ** 41 }),
})
const batches = fc
  .tuple(fc.array(record, { minLength: 1, maxLength: 20 }), fc.constantFrom(0, 0, 2, 3))
  .map(([records, codec]) => compressed(encodeBatch({ records }, crc32c), codec))
const plain = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .tuple(fc.nat({ max: 255 }), fc.nat({ max: 30_000 }))
    .map(([byte, length]) => new Uint8Array(length).fill(byte)),
)
const storedSchemas: readonly VersionedSchema[] = [
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
]
const decoders = [
  ...requests,
  { what: 'record batches, decoded', sound: batches, decode: recordsOf },
  { what: 'record batches, walked', sound: batches, decode: walked },
  {
    what: 'lz4 frames',
    sound: plain.map((bytes) => compressLz4(bytes)),
    decode: (bytes: Uint8Array) => decompressLz4(bytes, DECOMPRESSED_BYTES_MAX),
  },
  {
    what: 'snappy blocks',
    sound: plain.map((bytes) => compressSnappy(bytes)),
    decode: (bytes: Uint8Array) => decompressSnappy(bytes, DECOMPRESSED_BYTES_MAX),
  },
  ...storedSchemas.map((schema, index) => ({
    what: `stored records of groups, schema ${index}`,
    sound: fc
      .uint8Array({ maxLength: 60 })
      .map((rest) => Uint8Array.of(0, schema.versions[1], ...rest)),
    decode: (bytes: Uint8Array) => decodeVersioned(schema, bytes),
  })),
  {
    what: 'records of the metadata',
    sound: fc
      .tuple(fc.nat({ max: 30 }), fc.uint8Array({ maxLength: 60 }))
      .map(([type, rest]) => Uint8Array.of(1, type, 0, ...rest)),
    decode: (bytes: Uint8Array) => decodeMetadataRecord(bytes),
  },
]

/** One byte, a run of one byte, a cut, a splice, noise; or a few bytes repeated over a whole frame. */
const mutation = fc.record({
  kind: fc.constantFrom('byte', 'bytes', 'run', 'cut', 'twice', 'noise', 'fill'),
  at: fc.nat(),
  byte: fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff), fc.nat({ max: 255 })),
  length: fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 200 }) },
    { weight: 1, arbitrary: fc.nat({ max: INPUT_BYTES_MAX - 4_000 }) },
  ),
})

function mutated(
  bytes: Uint8Array,
  { kind, at, byte, length }: { kind: string; at: number; byte: number; length: number },
): Uint8Array {
  const position = bytes.length === 0 ? 0 : at % bytes.length
  const copy = Uint8Array.from(bytes)
  switch (kind) {
    case 'byte':
      copy[position] = byte
      return copy
    case 'bytes':
      return copy.fill(byte, position, position + (length % 9))
    case 'run':
      return joined([
        copy.subarray(0, position),
        new Uint8Array(length).fill(byte),
        copy.subarray(position),
      ])
    case 'cut':
      return copy.subarray(0, position)
    case 'twice':
      return joined([copy.subarray(0, position), copy])
    case 'noise':
      return copy.map((old, index) => (index < 4 ? old : (old * 31 + at * (index + 1)) & 0xff))
    default:
      // The head says what it is; behind it as many small elements as fit.
      return joined([copy.subarray(0, Math.min(12, position)), new Uint8Array(length).fill(byte)])
  }
}

test.for(decoders)(
  `$what: errors of one type, and little built (HOSTILE_SEED=${SEED})`,
  ({ sound, decode }) => {
    const input = fc.tuple(sound, fc.array(mutation, { maxLength: 4 }))
    fc.assert(
      fc.property(input, ([bytes, mutations]) => {
        const hostile = mutations.reduce(mutated, bytes).subarray(0, INPUT_BYTES_MAX)
        const before = process.cpuUsage()
        const outcome = outcomeOf(() => decode(hostile))
        const { user } = process.cpuUsage(before)
        expect(user / 1_000, `milliseconds for ${hostile.length} bytes`).toBeLessThan(CPU_MS_MAX)
        expect(problemOf(outcome, hostile.length)).toBeUndefined()
      }),
      { numRuns: RUNS, seed: SEED },
    )
  },
)

function problemOf(outcome: unknown, inputBytes: number): string | undefined {
  if (outcome instanceof DecodeError) return undefined
  if (outcome instanceof Error) return `another error: ${String(outcome.stack)}`
  if (outcome instanceof Uint8Array) {
    const isBounded =
      outcome.length <= DECOMPRESSED_BYTES_MAX &&
      outcome.buffer.byteLength <= DECOMPRESSED_BYTES_MAX
    return isBounded ? undefined : `${outcome.length} bytes in ${outcome.buffer.byteLength}`
  }
  const builtMax = BUILT_BESIDE + BUILT_PER_BYTE_MAX * inputBytes
  const built = builtBytes(outcome)
  return built <= builtMax ? undefined : `${built} bytes of objects from ${inputBytes}`
}

function outcomeOf(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (error) {
    if (error instanceof InvariantViolation) throw error
    return error
  }
}

function compressed(batch: Uint8Array<ArrayBuffer>, codec: number): Uint8Array {
  if (codec === 0) return batch
  const records = batch.subarray(BATCH_HEADER_BYTES)
  const stored = codec === 2 ? compressSnappy(records) : compressLz4(records)
  const bytes = joined([batch.subarray(0, BATCH_HEADER_BYTES), stored])
  const view = new DataView(bytes.buffer)
  view.setInt32(8, bytes.length - 12)
  view.setInt16(21, codec)
  view.setUint32(17, crc32c(bytes.subarray(21)))
  return bytes
}

function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(chunks))
}
