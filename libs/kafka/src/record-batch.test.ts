import { compressionsAlgorithms, crc32c } from '@platformatic/kafka'
import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecordBatches } from './record-batch-decoder.ts'
import { encodeRecordBatch, recordSizeBytesMax } from './record-batch-encoder.ts'
import { varlong } from './varlong.test-fixture.ts'

const target = { topic: 't', partition: 0, fromOffset: 0 }
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const identity = {
  producerId: 7,
  producerEpoch: 1,
  isTransactional: false,
  baseSequence: 3,
  compression: 'none',
} as const

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }))
const records = fc.array(
  fc.record({
    topic: fc.constant('t'),
    partition: fc.constant(0),
    key: bytes,
    value: bytes,
    headers: fc.array(fc.tuple(fc.string(), bytes), { maxLength: 4 }),
    timestampMs: fc.integer({ min: 0, max: 2 ** 42 }),
  }),
  { minLength: 1, maxLength: 20 },
)

test('a decoded batch has the records that were encoded, compressed or not', () => {
  fc.assert(
    fc.property(records, fc.constantFrom(...COMPRESSIONS), (given, compression) => {
      const batch = encodeRecordBatch(given, { ...identity, compression })
      const decoded = decodeRecordBatches(batch, target)
      expect(decoded.nextOffset).toBe(given.length)
      expect(decoded.records.map(plain)).toEqual(
        given.map((record, offset) => plain({ ...record, offset })),
      )
    }),
  )
})

test('records that are encoded already make the batch that their parts make', () => {
  fc.assert(
    fc.property(records, (given) => {
      const encoded = given.map((record) => {
        const bytes = encodeRecordBatch([record], identity)
        const body = { bytes, start: bodyStart(bytes), end: bytes.length }
        return { ...record, key: null, value: null, headers: [], body }
      })
      expect(encodeRecordBatch(encoded, identity)).toEqual(encodeRecordBatch(given, identity))
    }),
  )
})

test('keys and headers of a fetched record as text, and its value in place, are those of its bytes', () => {
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true })
  const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })
  const textOf = (key: Uint8Array | null): string | null => {
    try {
      return key === null ? null : strict.decode(key)
    } catch {
      return null
    }
  }
  // Some texts come again, as they do in the records of a topic.
  const value = fc.oneof(bytes, fc.constantFrom(Buffer.from('Placed'), Buffer.from('Placec')))
  const name = fc.constantFrom('id', 'type', '__proto__', '\ufeffname')
  const given = fc.array(
    fc.record({ key: value, value, headers: fc.array(fc.tuple(name, value), { maxLength: 5 }) }),
    { minLength: 1, maxLength: 10 },
  )
  fc.assert(
    fc.property(given, (some) => {
      const batch = encodeRecordBatch(
        some.map((one) => ({ ...record(''), ...one })),
        identity,
      )
      const { records: fetched } = decodeRecordBatches(batch, target)
      expect(fetched.map((one) => one.textKey?.())).toEqual(some.map(({ key }) => textOf(key)))
      const inPlace = fetched.map((one) =>
        one.readValue?.((within, start, end) => within.subarray(start, end)),
      )
      expect(inPlace).toEqual(fetched.map((one) => one.value))
      // Twice: a text that is known by now is the same one.
      for (const one of [...fetched, ...fetched]) {
        const texts = Object.entries(one.textHeaders?.() ?? {})
        const expected = new Map(
          one.headers.map(([key, text]) => [key, lenient.decode(text ?? new Uint8Array())]),
        )
        expect(new Map(texts)).toEqual(expected)
        const headers = one.headers.map(([name]) => name)
        expect(one.headerNames).toEqual(headers)
        const read = headers.map((header, position) => [
          header,
          one.readHeader?.(position, (within, start, end) => within.subarray(start, end)),
        ])
        expect(read).toEqual(one.headers.map(([name, of]) => [name, of ?? Buffer.alloc(0)]))
        expect(headers.map((_, position) => one.headerText?.(position))).toEqual(
          one.headers.map(([, of]) => lenient.decode(of ?? new Uint8Array())),
        )
      }
    }),
  )
})

test('no batch is larger than the sum of its estimates', () => {
  fc.assert(
    fc.property(records, (given) => {
      const estimate = given.reduce((sum, record) => sum + recordSizeBytesMax(record), 61)
      expect(encodeRecordBatch(given, identity).length).toBeLessThanOrEqual(estimate)
    }),
  )
})

test('changed bytes are a DecodeError or fewer records, never other records', () => {
  const batch = encodeRecordBatch([record('a'), record('b')], identity)
  for (let position = 0; position < batch.length; position += 1) {
    const changed = Buffer.from(batch)
    changed[position] = (changed[position] ?? 0) ^ 0x40
    // Base offset and leader epoch are outside the CRC.
    const expected = position < 16 ? ['DecodeError', '', 'a b'] : ['DecodeError']
    expect(expected).toContain(outcomeOf(changed))
  }
})

describe('of transactions, with what the broker tells of aborted ones', () => {
  const CONTROL = 0b11_0000
  const of = (producerId: number, baseOffset: number, text: string, isTransactional = true) =>
    at(baseOffset, encodeRecordBatch([record(text)], { ...identity, producerId, isTransactional }))
  const markerOf = (producerId: number, baseOffset: number) => {
    const batch = Buffer.from(of(producerId, baseOffset, 'marker'))
    batch.writeInt16BE(CONTROL, 21)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    return batch
  }
  const valuesOf = (
    batches: readonly Buffer[],
    aborted: readonly { producerId: number; firstOffset: number }[],
  ) =>
    decodeRecordBatches(Buffer.concat(batches), target, aborted).records.map(({ value }) =>
      Buffer.from(value ?? []).toString(),
    )

  test('records of an aborted one are left out up to its marker, those of others are not', () => {
    const batches = [
      of(1, 0, 'aborted'),
      of(2, 1, 'other'),
      of(1, 2, 'aborted too'),
      markerOf(1, 3),
      of(1, 4, 'committed'),
      markerOf(1, 5),
      of(3, 6, 'plain', false),
    ]
    expect(valuesOf(batches, [{ producerId: 1, firstOffset: 0 }])).toEqual([
      'other',
      'committed',
      'plain',
    ])
  })

  test('two in a row of one producer, and one that begins before what was asked for', () => {
    const batches = [of(1, 10, 'first'), markerOf(1, 11), of(1, 12, 'second'), markerOf(1, 13)]
    const aborted = [
      { producerId: 1, firstOffset: 12 },
      { producerId: 1, firstOffset: 3 },
    ]
    expect(valuesOf(batches, aborted)).toEqual([])
    expect(valuesOf(batches, [{ producerId: 1, firstOffset: 12 }])).toEqual(['first'])
  })

  test('records that are of no transaction are never left out', () => {
    expect(valuesOf([of(1, 0, 'plain', false)], [{ producerId: 1, firstOffset: 0 }])).toEqual([
      'plain',
    ])
  })
})

describe('of the batches in a response', () => {
  const first = at(0, encodeRecordBatch([record('a'), record('b')], identity))
  const second = at(2, encodeRecordBatch([record('c')], identity))

  test('records below the wanted offset are dropped', () => {
    const decoded = decodeRecordBatches(Buffer.concat([first, second]), {
      ...target,
      fromOffset: 1,
    })
    expect(decoded.records.map(({ value }) => String(value))).toEqual(['b', 'c'])
  })

  test('a last batch that is cut off waits for the next fetch', () => {
    const decoded = decodeRecordBatches(Buffer.concat([first, second.subarray(0, -1)]), target)
    expect(decoded).toMatchObject({ records: [{ offset: 0 }, { offset: 1 }], nextOffset: 2 })
  })

  test('a control batch gives no records and moves the next offset', () => {
    const control = withAttributes(second, 0b11_0000)
    const decoded = decodeRecordBatches(Buffer.concat([first, control]), target)
    expect(decoded).toMatchObject({ records: [{ offset: 0 }, { offset: 1 }], nextOffset: 3 })
  })

  test('log append time is the time of every record', () => {
    const stamped = withAttributes(first, 0b1000)
    stamped.writeBigInt64BE(99n, 35)
    stampCrc(stamped)
    const stampsOf = (batch: Buffer) =>
      decodeRecordBatches(batch, target).records.map(({ timestampMs, timestampType }) => ({
        timestampMs,
        timestampType,
      }))
    const stamp = { timestampMs: 99, timestampType: 'LogAppendTime' }
    expect(stampsOf(stamped)).toEqual([stamp, stamp])
    expect(stampsOf(first)).toMatchObject([
      { timestampType: 'CreateTime' },
      { timestampType: 'CreateTime' },
    ])
  })

  test('a timestamp that no Date can hold becomes the nearest, and those beside it stay exact', () => {
    const nanos = 1_700_000_000_123_456_789n
    const odd = encodeRecordBatch([record('a'), record('b')], identity)
    const times = (base: bigint, ...deltas: readonly bigint[]): Buffer => {
      const changed = Buffer.concat([odd.subarray(0, 61), ...deltas.map(recordAt)])
      changed.writeInt32BE(changed.length - 12, 8)
      changed.writeBigInt64BE(base, 27)
      stampCrc(changed)
      return changed
    }
    const timestampsOf = (batch: Buffer) =>
      decodeRecordBatches(batch, target).records.map(({ timestampMs }) => timestampMs)
    expect(timestampsOf(times(nanos, 0n, 1_700_000_000_000n - nanos))).toEqual([
      8.64e15, 1_700_000_000_000,
    ])
    expect(timestampsOf(times(5n, nanos, -nanos))).toEqual([8.64e15, -8.64e15])
    const stamped = withAttributes(times(0n, 0n, 1n), 0b1000)
    stamped.writeBigInt64BE(nanos, 35)
    stampCrc(stamped)
    expect(timestampsOf(stamped)).toEqual([8.64e15, 8.64e15])
  })

  test.for(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    '%s is used where it helps',
    (compression) => {
      const attributesOf = (values: readonly string[]) =>
        encodeRecordBatch(values.map(record), { ...identity, compression }).readInt16BE(21)
      const plainBytes = encodeRecordBatch([record('a'.repeat(500))], identity).length
      const batch = encodeRecordBatch([record('a'.repeat(500))], { ...identity, compression })
      expect(batch.length).toBeLessThan(plainBytes / 3)
      expect(attributesOf(['a'.repeat(500)])).toBe(compressionsAlgorithms[compression].bitmask)
      expect(attributesOf(['a'])).toBe(0)
    },
  )

  test.for(['gzip', 'snappy', 'lz4', 'zstd'] as const)('%s is decompressed', (name) => {
    const algorithm = compressionsAlgorithms[name]
    const body = algorithm.compressSync(first.subarray(61))
    const compressed = Buffer.concat([first.subarray(0, 61), body])
    compressed.writeInt32BE(compressed.length - 12, 8)
    const decoded = decodeRecordBatches(withAttributes(compressed, algorithm.bitmask), target)
    expect(decoded.records.map(({ value }) => String(value))).toEqual(['a', 'b'])
  })
})

function outcomeOf(batch: Buffer): string {
  try {
    return decodeRecordBatches(batch, target)
      .records.map(({ value }) => String(value))
      .join(' ')
  } catch (error) {
    return error instanceof DecodeError ? 'DecodeError' : String(error)
  }
}

/** Of the only record of a batch: behind its length, the attributes, and both deltas, which are 0. */
function bodyStart(batch: Buffer): number {
  let position = 61
  while ((batch[position] ?? 0) >= 0x80) position += 1
  return position + 1 + 3
}

function record(value: string) {
  const key = Buffer.from('k')
  return { topic: 't', partition: 0, key, value: Buffer.from(value), headers: [], timestampMs: 5 }
}

/** An empty record, `deltaMs` behind the base timestamp of its batch. */
function recordAt(deltaMs: bigint, index: number): Buffer {
  const noLength = varlong(-1n)
  const body = Buffer.concat([
    Buffer.of(0),
    varlong(deltaMs),
    varlong(BigInt(index)),
    noLength,
    noLength,
    varlong(0n),
  ])
  return Buffer.concat([varlong(BigInt(body.length)), body])
}

type Comparable = {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [string, Uint8Array | null])[]
  readonly timestampMs: number
  readonly offset: number
}

function plain({ key, value, headers, timestampMs, offset }: Comparable) {
  const hex = (field: Uint8Array | null) =>
    field === null ? null : Buffer.from(field).toString('hex')
  const utf8 = (text: string) => Buffer.from(text).toString('hex')
  return {
    key: hex(key),
    value: hex(value),
    headers: headers.map(([name, content]) => [utf8(name), hex(content)]),
    timestampMs,
    offset,
  }
}

function at(baseOffset: number, batch: Buffer): Buffer {
  batch.writeBigInt64BE(BigInt(baseOffset), 0)
  return batch
}

function withAttributes(batch: Buffer, attributes: number): Buffer {
  const changed = Buffer.from(batch)
  changed.writeInt16BE(attributes, 21)
  stampCrc(changed)
  return changed
}

/** Writes the CRC that the bytes now have. */
function stampCrc(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
}
