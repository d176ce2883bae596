import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { fairlead } from '../support/cli.ts'
import { RegistryProcess } from '../support/registry-process.ts'

let folder: string
let brokers: readonly BrokerProcess[]
let source: RegistryProcess
let target: RegistryProcess

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-schemas-'))
  brokers = await Promise.all([BrokerProcess.start(), BrokerProcess.start()])
  const started = await Promise.all(brokers.map(({ address }) => RegistryProcess.start(address)))
  ;[source, target] = started as [RegistryProcess, RegistryProcess]
})
afterAll(async () => {
  await Promise.all([source.stop(), target.stop()])
  await Promise.all(brokers.map((broker) => broker.stop()))
  await rm(folder, { recursive: true })
})

const schema = (argv: readonly string[], registry = source) =>
  fairlead(['schema', ...argv, '--registry', registry.url])

const file = async (name: string, text: object | string): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, typeof text === 'string' ? text : JSON.stringify(text))
  return path
}
const order = (...fields: readonly object[]) => ({
  type: 'record',
  name: 'Order',
  fields: [{ name: 'id', type: 'string' }, ...fields],
})

const associate = async (association: object, resourceName: string): Promise<void> => {
  const resource = { resourceName, resourceNamespace: 'lkc-1', resourceId: `id-${resourceName}` }
  const response = await fetch(`${source.url}/associations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...resource, associations: [association] }),
  })
  expect(response.status, await response.text()).toBe(200)
}

test('schemas are created, shown, compared, deleted, and moved to another registry', async () => {
  const first = await file('order.avsc', order())
  expect(await schema(['create', 'order-value', first])).toMatchObject({
    exitCode: 0,
    stdout: 'order-value: id 1\n',
  })
  const note = { name: 'note', type: 'string' }
  await file('order-value.avsc', order(note))
  const refused = await schema(['check', join(folder, 'order-value.avsc')])
  expect(refused).toMatchObject({ exitCode: 10 })
  expect(refused.stdout).toContain('fix: [{"op":"add","path":"/fields/1/default","value":""}]')
  expect(await schema(['create', 'order-value', join(folder, 'order-value.avsc')])).toMatchObject({
    exitCode: 5,
    stderr: expect.stringContaining('is incompatible with an earlier schema'),
  })

  const second = await file('order-2.avsc', order({ ...note, default: '' }))
  await schema(['create', 'order-value', second])
  const uses = await file(
    'uses.avsc',
    order({ name: 'last', type: ['null', 'Order2'], default: null }),
  )
  const named = await file('named.avsc', { type: 'fixed', name: 'Order2', size: 2 })
  await schema(['create', 'named', named])
  const created = await schema(['create', 'uses', uses, '--reference', 'Order2=named:-1'])
  expect(created.stdout).toBe('uses: id 4\n')

  const listed = await schema(['list', '-o', 'json'])
  expect(JSON.parse(listed.stdout)).toMatchObject([
    { subject: 'named', version: 1, id: 3 },
    { subject: 'order-value', version: 2, id: 2 },
    { subject: 'uses', version: 1, id: 4 },
  ])
  expect((await schema(['get', 'order-value', '1'])).stdout).toBe(`${JSON.stringify(order())}\n`)
  const diff = await schema(['diff', 'order-value', '1', '-o', 'json'])
  expect(JSON.parse(diff.stdout)).toMatchObject([
    { change: 'FIELD_ADDED', newPointer: '/fields/1' },
  ])

  expect((await schema(['compat', 'order-value', '--set', 'full'])).stdout).toContain('FULL')
  expect((await schema(['compat', 'uses'])).stdout).toContain('BACKWARD')
  expect((await schema(['mode'])).stdout).toContain('READWRITE')
  expect(await schema(['delete', 'order-value', '1', '--yes'])).toMatchObject({ exitCode: 0 })
  expect(await schema(['get', 'order-value', '1'])).toMatchObject({ exitCode: 3 })

  await associate({ subject: 'uses', associationType: 'key', lifecycle: 'WEAK' }, 'shared')
  const owned = { schema: '{"type":"fixed","name":"Owned","size":1}' }
  await associate({ associationType: 'value', schema: owned }, 'owned')
  const exported = await file('export.jsonl', (await schema(['export', '--deleted'])).stdout)
  for (const from of [exported, exported, source.url]) {
    expect(await schema(['import', from, '--settings'], target)).toMatchObject({
      exitCode: 0,
      stdout: '5 versions imported, 2 associations\n',
    })
    const [here, there] = await Promise.all([
      schema(['export', '--deleted']),
      schema(['export', '--deleted'], target),
    ])
    expect(there.stdout.split('\n').sort()).toEqual(here.stdout.split('\n').sort())
  }
})

test('tags of fields and records are added, listed and removed', async () => {
  const person = {
    type: 'record',
    name: 'Person',
    namespace: 'crm',
    fields: [{ name: 'email', type: 'string' }],
  }
  await schema(['create', 'person', await file('person.avsc', person)])
  const added = await schema(['tags', 'add', 'person', 'crm.Person.email', 'PII', 'GDPR'])
  expect(added).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^person: version 2, /),
  })
  expect(await schema(['tags', 'add', 'person', 'crm.Person', 'OWNED', '--record'])).toMatchObject({
    exitCode: 0,
  })
  const tags = async (...argv: readonly string[]): Promise<unknown> =>
    JSON.parse((await schema(['tags', 'list', 'person', ...argv, '--json'])).stdout)
  const onRecord = { path: 'crm.Person', entity: 'record', tags: ['OWNED'] }
  const onField = { path: 'crm.Person.email', entity: 'field', tags: ['PII', 'GDPR'] }
  expect(await tags()).toEqual([onRecord, onField])
  expect(await tags('2')).toEqual([onField])
  expect(await tags('--tag', 'OWNED')).toEqual([onRecord])

  await schema(['tags', 'remove', 'person', 'crm.Person.email', 'PII'])
  expect(await tags()).toEqual([onRecord, { ...onField, tags: ['GDPR'] }])
  const missing = await schema(['tags', 'add', 'person', 'crm.Person.phone', 'PII'])
  expect(missing).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("No matching path 'crm.Person.phone'"),
  })
  expect(await schema(['tags', 'list', 'nobody'])).toMatchObject({ exitCode: 3 })
})
