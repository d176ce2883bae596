import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeMetadataRecord, encodeMetadataRecord } from '../metadata-record-codec.ts'
import { canonicalAddress } from './ip-address.ts'
import { type QuotaEntity, entityKey } from './quota-entity.ts'
import { QuotasImage } from './quotas-image.ts'

const KEY = 'producer_byte_rate'
/** Kafka's order: the first that is set applies; it says with whom the client shares its rate. */
const LEVELS: readonly (readonly [QuotaEntity, user: string, clientId: string])[] = [
  [{ user: 'u', 'client-id': 'c' }, 'u', 'c'],
  [{ user: 'u', 'client-id': null }, 'u', 'c'],
  [{ user: 'u' }, 'u', ''],
  [{ user: null, 'client-id': 'c' }, 'u', 'c'],
  [{ user: null, 'client-id': null }, 'u', 'c'],
  [{ user: null }, 'u', ''],
  [{ 'client-id': 'c' }, '', 'c'],
  [{ 'client-id': null }, '', 'c'],
]

describe('the quota of a client', () => {
  test('is the most specific of those that are set, whichever these are', () => {
    fc.assert(
      fc.property(fc.subarray([...LEVELS.keys()]), (levels) => {
        const image = new QuotasImage()
        for (const level of levels.toReversed()) {
          const entity = LEVELS[level]?.[0] ?? {}
          image.replay({ kind: 'ClientQuotaRecord', entity, key: KEY, value: level + 1 })
        }
        const [first] = levels
        const [, user, clientId] = LEVELS[first ?? -1] ?? []
        const expected = first === undefined ? undefined : { bound: first + 1, user, clientId }
        expect(image.limitOf(KEY, { user: 'u', clientId: 'c' })).toEqual(expected)
        expect(image.limitOf('consumer_byte_rate', { user: 'u', clientId: 'c' })).toBeUndefined()
      }),
    )
  })

  test('is one of its user when it has no client id', () => {
    const image = new QuotasImage()
    for (const [entity] of LEVELS) {
      if (entity.user === 'u' && entity['client-id'] === undefined) continue
      image.replay({ kind: 'ClientQuotaRecord', entity, key: KEY, value: 1 })
    }
    expect(image.limitOf(KEY, { user: 'u', clientId: '' })).toEqual({
      bound: 1,
      user: 'u',
      clientId: '',
    })
  })
})

test('quotas are after a restart what they were', () => {
  const entity = fc.constantFrom<QuotaEntity>(
    ...LEVELS.map(([each]) => each),
    { ip: '10.0.0.1' },
    { ip: null },
  )
  const key = fc.constantFrom(KEY, 'consumer_byte_rate')
  const value = fc.option(fc.constantFrom(0.5, 1, 2 ** 40))
  fc.assert(
    fc.property(fc.array(fc.record({ entity, key, value })), (changes) => {
      const running = new QuotasImage()
      const restarted = new QuotasImage()
      const expected = new Map<string, number>()
      for (const change of changes) {
        const record = { kind: 'ClientQuotaRecord', ...change } as const
        running.replay(record)
        const read = decodeMetadataRecord(encodeMetadataRecord(record))
        expect(read).toEqual(record)
        if (read.kind === 'ClientQuotaRecord') restarted.replay(read)
        const id = `${entityKey(change.entity)} ${change.key}`
        if (change.value === null) expected.delete(id)
        else expected.set(id, change.value)
      }
      const all = (image: QuotasImage) =>
        Array.from(image.entities(), (each) =>
          Array.from(each.values, ([name, bound]) => [`${entityKey(each.entity)} ${name}`, bound]),
        ).flat()
      expect(all(restarted)).toEqual(all(running))
      expect(new Map(all(running) as [string, number][])).toEqual(expected)
      expect(running.has(KEY)).toBe([...expected.keys()].some((id) => id.endsWith(KEY)))
    }),
  )
})

test.for([
  ['127.0.0.1', '127.0.0.1'],
  ['127.000.0.1', '127.0.0.1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['::FFFF:7f00:1', '127.0.0.1'],
  ['::1', '0:0:0:0:0:0:0:1'],
  ['0:0:0:0:0:0:0:1', '0:0:0:0:0:0:0:1'],
  ['2001:DB8::', '2001:db8:0:0:0:0:0:0'],
  ['fe80::1:2', 'fe80:0:0:0:0:0:1:2'],
  ['', undefined],
  ['::1::', undefined],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8::', undefined],
  ['1.2.3', undefined],
  ['256.1.1.1', undefined],
  ['12345::', undefined],
  ['localhost', undefined],
] as const)('the address %s is %s', ([text, canonical]) => {
  expect(canonicalAddress(text)).toBe(canonical)
})
