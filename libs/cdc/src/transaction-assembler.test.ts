import { DecodeError, lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { PgOutputDecoder, type StreamItem, TransactionAssembler } from './index.ts'
import { MessageWriter, messages } from './testing/message-writer.ts'

const EVENTS = 7
const RELATION = messages.relation(EVENTS, 'outbox', 'events', [{ name: 'id' }])

function assembleAll(stream: readonly Uint8Array[]): StreamItem[] {
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler()
  return stream.flatMap((bytes) => assembler.accept(decoder.decode(bytes)) ?? [])
}

test('each row carries the commit LSN and its index, before the commit arrives', () => {
  const items = assembleAll([
    messages.begin(0x100n, 42),
    RELATION,
    messages.insert(EVENTS, ['a']),
    messages.insert(EVENTS, ['b']),
  ])
  const rows = items.filter((item) => item.kind === 'row')
  expect(rows.map(({ position }) => position)).toEqual([
    { commitLsn: lsn(0x100n), commitIndex: 0 },
    { commitLsn: lsn(0x100n), commitIndex: 1 },
  ])
})

test('indexes start at 0 in every transaction, and a commit counts its rows', () => {
  const items = assembleAll([
    messages.begin(0x100n),
    RELATION,
    messages.insert(EVENTS, ['a']),
    messages.commit(0x100n, 0x130n),
    messages.begin(0x130n),
    messages.insert(EVENTS, ['b']),
    messages.commit(0x130n, 0x160n),
  ])
  expect(items.filter((item) => item.kind === 'commit')).toMatchObject([
    { endLsn: lsn(0x130n), rowCount: 1 },
    { endLsn: lsn(0x160n), rowCount: 1 },
  ])
  expect(items.at(-2)).toMatchObject({ position: { commitIndex: 0 } })
})

test('a message outside of transactions has a position that no commit behind it can have', () => {
  const message = new MessageWriter().tag('M').uint8(0).uint64(0x100n).string('p').uint32(0).done()
  const [item, ...rest] = assembleAll([
    message,
    messages.begin(0x100n),
    RELATION,
    messages.insert(EVENTS, ['a']),
  ])
  expect(item).toMatchObject({
    kind: 'message',
    position: { commitLsn: lsn(0xffn), commitIndex: 0 },
  })
  expect(rest.at(-1)).toMatchObject({ position: { commitLsn: lsn(0x100n), commitIndex: 0 } })
})

test.for([
  { what: 'a row outside of a transaction', stream: [RELATION, messages.insert(EVENTS, ['a'])] },
  { what: 'a begin inside of a transaction', stream: [messages.begin(1n), messages.begin(2n)] },
  { what: 'a commit without a begin', stream: [messages.commit(1n, 2n)] },
  {
    what: 'the commit of another transaction',
    stream: [messages.begin(1n), messages.commit(2n, 3n)],
  },
  {
    what: 'a transaction out of commit order',
    stream: [messages.begin(8n), messages.commit(8n, 9n), messages.begin(3n)],
  },
])('$what is a decode error', ({ stream }) => {
  expect(() => assembleAll(stream)).toThrow(DecodeError)
})
