import { lsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import { OutboxMessages } from './index.ts'

const MESSAGES = new OutboxMessages(['outbox'], () => 0)

function rowOf(content: string) {
  return MESSAGES.rowOf({
    kind: 'message',
    message: {
      kind: 'message',
      isTransactional: true,
      messageLsn: lsn(1n),
      prefix: 'outbox',
      content: new TextEncoder().encode(content),
    },
    position: { commitLsn: lsn(1n), commitIndex: 0 },
    commitTimestampMs: 0,
    xid: 1,
    events: undefined,
  })
}

test.for([
  '{"aggregatetype": "a\\u0000b", "aggregateid": "1"}',
  '{"id": "\\u0000"}',
  '{"type": "x", "fie\\u0000ld": 1}',
])('what names an event cannot have a zero, which no column can: %s', (content) => {
  expect(rowOf(content)).toMatchObject({ kind: 'unroutable', code: 'INVALID_MESSAGE' })
})

test('a payload is bytes, and headers are JSON: they may tell of a zero', () => {
  expect(rowOf('{"payload": "\\u0000", "headers": {"a": "\\u0000"}}')).toMatchObject({
    kind: 'row',
  })
})
