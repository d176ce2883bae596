import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { ADD_TAGS, LIST_TAGS } from './schema-tags.ts'

const TAGGED = {
  schemaTags: [
    { schemaEntity: { entityPath: 'shop.Order', entityType: 'sr_record' }, tags: ['A'] },
    { schemaEntity: { entityPath: 'shop.Order.email', entityType: 'sr_field' }, tags: ['A', 'B'] },
  ],
}

test('tagged records and fields are listed, of the latest version or another', async () => {
  const listed = await runAgainst(() => ({ body: TAGGED }), LIST_TAGS, 'order/value')
  expect(listed.requests).toEqual(['GET /subjects/order%2Fvalue/versions/latest?findTags=*'])
  expect(listed.stdout.split('\n').map((line) => line.trimEnd())).toEqual([
    'PATH              ENTITY  TAGS',
    'shop.Order        record  A',
    'shop.Order.email  field   A, B',
    '',
  ])
  const json = await runAgainst(
    () => ({ body: TAGGED }),
    LIST_TAGS,
    'order',
    '2',
    '--tag',
    'A,B',
    '--json',
  )
  expect(json.requests).toEqual(['GET /subjects/order/versions/2?findTags=A%2CB'])
  expect(JSON.parse(json.stdout)).toEqual([
    { path: 'shop.Order', entity: 'record', tags: ['A'] },
    { path: 'shop.Order.email', entity: 'field', tags: ['A', 'B'] },
  ])
})

test('a schema without tags has an empty list', async () => {
  const { stdout, exitCode } = await runAgainst(() => ({ body: {} }), LIST_TAGS, 'order', '--json')
  expect({ exitCode, list: JSON.parse(stdout) as unknown }).toEqual({ exitCode: 0, list: [] })
})

test.for([
  [{ id: 7, version: 3 }, 'order: version 3, id 7\n'],
  [{ id: 7 }, 'order: id 7\n'],
] as const)('what the registry answers to other tags is told: %o', async ([body, stdout]) => {
  const added = await runAgainst(() => ({ body }), ADD_TAGS, 'order', 'shop.Order.email', 'PII')
  expect(added).toMatchObject({ exitCode: 0, stdout })
  expect(added.requests).toEqual(['POST /subjects/order/versions/latest/tags'])
})
