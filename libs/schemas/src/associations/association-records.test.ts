import { expect, test } from 'vitest'
import { decodeRecord, encodeRecord } from '../record-codec.ts'
import { RegistryLog } from '../registry-log.ts'

const KEY =
  '{"keytype":"ASSOC","tenant":"default","resourceName":"orders","resourceNamespace":"lkc-1","resourceType":"topic","associationType":"value","subject":":.ctx:s","magic":0}'
const VALUE =
  '{"guid":"g","tenant":"default","resourceName":"orders","resourceNamespace":"lkc-1","resourceId":"id","resourceType":"topic","associationType":"value","subject":":.ctx:s","lifecycle":"STRONG","frozen":true,"createTs":7}'
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array | null): string | undefined =>
  bytes === null ? undefined : new TextDecoder().decode(bytes)

const entry = (
  offset: number,
  value: string | null,
  { expectedOffset, timestampMs }: { expectedOffset?: number; timestampMs?: number } = {},
) => ({
  offset,
  key: utf8(KEY),
  value: value === null ? null : utf8(value),
  expectedOffset,
  timestampMs,
})

test('a record of Confluent is read, and written again to the same bytes', () => {
  const record = decodeRecord(utf8(KEY), utf8(VALUE))
  expect(record).toMatchObject({
    kind: 'association',
    value: { resourceId: 'id', lifecycle: 'STRONG', isFrozen: true, createTimestampMs: 7 },
  })
  const { key, value } = encodeRecord(record as NonNullable<typeof record>)
  expect([text(key), text(value)]).toEqual([KEY, VALUE])
  expect(decodeRecord(utf8(KEY), null)).toMatchObject({ kind: 'association', value: null })
})

test('a record of another tenant is passed over', () => {
  const key = KEY.replace('"default"', '"lsrc-1"')
  expect(decodeRecord(utf8(key), utf8(VALUE))).toBeUndefined()
})

test.for([
  ['of an unknown lifecycle', VALUE.replace('STRONG', 'X'), /unknown lifecycle/],
  ['without a guid', VALUE.replace('"guid":"g",', ''), /guid is missing/],
] as const)('a record %s cannot be read', ([, value, message]) => {
  expect(() => decodeRecord(utf8(KEY), utf8(value))).toThrow(message)
})

test('it is as old as its first record, and changed when its last one was written', () => {
  const log = new RegistryLog()
  const first = VALUE.replace(',"createTs":7', '')
  log.replay(entry(0, first, { timestampMs: 5 }))
  const times = () =>
    log.image.associations
      .ofSubject(':.ctx:s')
      .map(({ createTimestampMs, updateTimestampMs }) => [createTimestampMs, updateTimestampMs])
  expect(times()).toEqual([[5, 5]])
  log.replay(entry(1, VALUE, { timestampMs: 9 }))
  expect(times()).toEqual([[7, 9]])
  log.replay(entry(2, null))
  expect(times()).toEqual([])
})

test('what lost a race is written again as it counts', () => {
  const log = new RegistryLog()
  log.replay(entry(0, VALUE, { expectedOffset: 0 }))
  log.replay(entry(1, VALUE.replace('STRONG', 'WEAK'), { expectedOffset: 0 }))
  expect(log.image.associations.ofResourceId('id')).toMatchObject([{ lifecycle: 'STRONG' }])
  const [repair, ...others] = log.repairs()
  expect(others).toEqual([])
  expect(text(encodeRecord(repair as NonNullable<typeof repair>).value)).toBe(VALUE)
})
