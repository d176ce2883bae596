import { DecodeError, lsn } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PgOutputDecoder, type Tuple, UNCHANGED, UnsupportedMessageError } from './index.ts'
import { MessageWriter, messages } from './testing/message-writer.ts'

const ORDERS = 0xffff_fff0 // an oid above 2^31
const COLUMNS = [{ name: 'id' }, { name: 'note' }, { name: 'large' }]

function decoderWithOrders(): PgOutputDecoder {
  const decoder = new PgOutputDecoder()
  decoder.decode(messages.relation(ORDERS, 'public', 'orders', COLUMNS))
  return decoder
}

const text = (value: unknown) => new TextDecoder().decode(value as Uint8Array)

test('begin carries the commit LSN, the commit time and an unsigned transaction id', () => {
  const bytes = new MessageWriter()
    .tag('B')
    .uint64(0x1_0000_0000n)
    .uint64(1_000_001n)
    .uint32(0xffff_fffe)
    .done()
  expect(new PgOutputDecoder().decode(bytes)).toEqual({
    kind: 'begin',
    commitLsn: lsn(0x1_0000_0000n),
    commitTimestampUs: 946_684_801_000_001,
    commitTimestampMs: 946_684_801_000,
    xid: 0xffff_fffe,
  })
})

test('a row gives each column as text, null or unchanged', () => {
  const message = decoderWithOrders().decode(messages.insert(ORDERS, ['7', null, undefined]))
  if (message.kind !== 'insert') throw new Error('not an insert')
  expect(message.relation.table).toBe('orders')
  expect(text(message.row.value(0))).toBe('7')
  expect(message.row.value(1)).toBeNull()
  expect(message.row.value(2)).toBe(UNCHANGED)
  expect(message.row.value(3)).toBeUndefined()
})

test('a second announcement replaces the first', () => {
  const decoder = decoderWithOrders()
  decoder.decode(messages.relation(ORDERS, 'public', 'orders_renamed', [{ name: 'id' }]))
  const message = decoder.decode(messages.insert(ORDERS, ['7']))
  expect(message).toMatchObject({ kind: 'insert', relation: { table: 'orders_renamed' } })
})

test('update and delete carry the old row under either tag', () => {
  const decoder = decoderWithOrders()
  const row = ['7', 'a', 'b']
  const update = new MessageWriter().tag('U').uint32(ORDERS)
  update.tag('K').tuple(row).tag('N').tuple(row)
  expect(decoder.decode(update.done()).kind).toBe('update')
  const removal = new MessageWriter().tag('D').uint32(ORDERS).tag('O').tuple(row).done()
  expect(decoder.decode(removal).kind).toBe('delete')
})

test('both rows of an update have their own columns, however many', () => {
  const columns = Array.from({ length: 200 }, (_, index) => ({ name: `c${index}` }))
  const decoder = new PgOutputDecoder()
  decoder.decode(messages.relation(ORDERS, 'public', 'wide', columns))
  const values = (prefix: string) => columns.map(({ name }) => prefix + name)
  const message = decoder.decode(messages.update(ORDERS, values('old'), values('new')))
  if (message.kind !== 'update') throw new Error('not an update')
  const read = (row: Tuple | undefined) => columns.map((_, index) => text(row?.value(index)))
  expect(read(message.oldRow)).toEqual(values('old'))
  expect(read(message.row)).toEqual(values('new'))
  expect(message.oldRow?.value(200)).toBeUndefined()
})

test('a message is read where it stands in the bytes, and no further', () => {
  const decoder = decoderWithOrders()
  const insert = messages.insert(ORDERS, ['7', null, 'x'])
  const bytes = Uint8Array.of(1, 2, 3, ...insert, ...insert)
  const message = decoder.decode(bytes, 3, 3 + insert.length)
  if (message.kind !== 'insert') throw new Error('not an insert')
  expect([text(message.row.value(0)), message.row.value(1)]).toEqual(['7', null])
  expect(() => decoder.decode(bytes, 3, 2 + insert.length)).toThrow(DecodeError)
})

test('a logical message has prefix and content, in or out of a transaction', () => {
  const content = Uint8Array.of(1, 0, 2)
  const bytes = new MessageWriter().tag('M').uint8(1).uint64(9n).string('outbox')
  bytes.uint32(content.length).bytes(content)
  expect(new PgOutputDecoder().decode(bytes.done())).toEqual({
    kind: 'message',
    isTransactional: true,
    messageLsn: lsn(9n),
    prefix: 'outbox',
    content,
  })
})

test.for(['S', 'E', 'c', 'A', 'b', 'P', 'K', 'r', 'p'])(
  'tag %s of a later protocol version is recognised and refused',
  (tag) => {
    const decode = () => new PgOutputDecoder().decode(new MessageWriter().tag(tag).done())
    expect(decode).toThrow(UnsupportedMessageError)
  },
)

test.for([
  { what: 'an empty message', bytes: new Uint8Array() },
  { what: 'an unknown tag', bytes: new MessageWriter().tag('?').done() },
  { what: 'a row of a relation that was not announced', bytes: messages.insert(5, ['1']) },
  { what: 'a row with a column too few', bytes: messages.insert(ORDERS, ['1', '2']) },
  {
    what: 'bytes behind the message',
    bytes: Uint8Array.of(...messages.begin(1n), 0),
  },
  {
    what: 'a value longer than the message',
    bytes: new MessageWriter()
      .tag('I')
      .uint32(ORDERS)
      .tag('N')
      .uint16(3)
      .tag('t')
      .uint32(0x7fff_ffff)
      .done(),
  },
  {
    what: 'a value of negative length',
    bytes: new MessageWriter()
      .tag('I')
      .uint32(ORDERS)
      .tag('N')
      .uint16(3)
      .tag('t')
      .uint32(0xffff_ffff)
      .done(),
  },
])('$what is a decode error', ({ bytes }) => {
  expect(() => decoderWithOrders().decode(bytes)).toThrow(DecodeError)
})

function failureOf(bytes: Uint8Array): unknown {
  try {
    decoderWithOrders().decode(bytes)
    return undefined
  } catch (error) {
    return error
  }
}

test('mutated and truncated messages throw nothing but DecodeError', () => {
  const samples = [
    messages.begin(0x16b_3748n),
    messages.commit(0x16b_3748n, 0x16b_3780n),
    messages.relation(ORDERS, 'public', 'orders', COLUMNS),
    messages.insert(ORDERS, ['7', null, 'x'.repeat(40)]),
    new MessageWriter().tag('T').uint32(1).uint8(0).uint32(ORDERS).done(),
    new MessageWriter().tag('M').uint8(0).uint64(9n).string('p').uint32(1).uint8(7).done(),
  ]
  const mutation = fc.record({ at: fc.nat(200), value: fc.nat(255) })
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(mutation, { maxLength: 4 }),
      fc.nat(200),
      (sample, mutations, cutAt) => {
        const bytes = sample.slice(0, Math.max(1, sample.length - (cutAt % sample.length)))
        for (const { at, value } of mutations) bytes[at % bytes.length] = value
        expect(failureOf(bytes) ?? new DecodeError('none', 0)).toBeInstanceOf(DecodeError)
      },
    ),
    { numRuns: 2_000 },
  )
})
