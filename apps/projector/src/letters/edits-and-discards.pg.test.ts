import { afterEach, beforeEach, expect, test } from 'vitest'
import { discardLetters, findVersion } from '../store/letter-orders.ts'
import { accountId, deposited } from '../testing/accounts.test-fixture.ts'
import { ANA, LetterFixture, until } from '../testing/letters.test-fixture.ts'

let fixture: LetterFixture

beforeEach(async () => {
  fixture = await LetterFixture.open()
})

afterEach(() => fixture.close())

test('a discarded head leaves the rest to a replay; a key without letters is released', async () => {
  await fixture.serve()
  fixture.log.append(
    0,
    deposited(accountId(1), 0),
    deposited(accountId(1), 2),
    deposited(accountId(2), 0),
  )
  await fixture.appliedUpTo(3, 0)
  const discard = async (selection: object) =>
    fixture.ask('POST', '/dead-letters/discard', { projection: 'accounts', ...ANA, ...selection })
  expect((await discard({ id: await fixture.idAt(0) })).body).toEqual({ discarded: 1 })
  expect(await fixture.letters()).toMatchObject([{ offset: 1, kind: 'blocked' }, { offset: 2 }])
  expect((await discard({ key: accountId(2) })).body).toEqual({ discarded: 1 })
  expect(await fixture.parkedKeys()).toEqual([accountId(1)])

  await fixture.ask('POST', '/dead-letters/replay', {
    projection: 'accounts',
    key: accountId(1),
    ...ANA,
  })
  fixture.log.append(0, deposited(accountId(2), 5))
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  await fixture.appliedUpTo(4, 0)
  expect(await fixture.balances()).toEqual({ [accountId(1)]: 2, [accountId(2)]: 5 })
  expect(await discard({ all: true })).toMatchObject({ status: 404 })
})

test('a key whose letters are discarded is released where no projector runs, too', async () => {
  const { projector } = await fixture.serve()
  fixture.log.append(
    0,
    deposited(accountId(1), 0),
    deposited(accountId(2), 0),
    deposited(accountId(2), 1),
  )
  await fixture.appliedUpTo(3, 0)
  await projector.stop()
  const version = await findVersion(fixture.db, 'accounts', 1)
  const head = { by: 'id', id: BigInt(await fixture.idAt(1)) } as const
  expect(await discardLetters(fixture.db, version, head, ANA)).toEqual({ discarded: 1 })
  const first = { by: 'key', key: accountId(1) } as const
  expect(await discardLetters(fixture.db, version, first, ANA)).toEqual({ discarded: 1 })
  expect(await fixture.parkedKeys()).toEqual([accountId(2)])
})

test('an edit is checked against the schema, and applied in the place of the original', async () => {
  await fixture.serve()
  fixture.log.append(0, deposited(accountId(1), 0), deposited(accountId(1), 2))
  await fixture.appliedUpTo(2, 0)
  const id = await fixture.idAt(0)
  const original = (await fixture.ask('GET', `/dead-letters/${id}?reveal=true`)).body['valueBase64']
  const edit = async (value: object) =>
    fixture.ask('PUT', `/dead-letters/${id}/value`, { value, ...ANA })

  const refused = await edit({ accountId: accountId(1), amount: 'much' })
  expect(refused).toMatchObject({ status: 422, body: { code: 'EDIT_REFUSED' } })
  expect(await edit({ accountId: accountId(2), amount: 40 })).toMatchObject({
    status: 422,
    body: {
      code: 'EDIT_REFUSED',
      message: expect.stringContaining(`"${accountId(2)}" in accountId`),
    },
  })
  expect((await fixture.ask('GET', `/dead-letters/${id}`)).body).toMatchObject({ isEdited: false })

  expect(await edit({ accountId: accountId(1), amount: 40 })).toMatchObject({ status: 200 })
  expect((await fixture.ask('GET', `/dead-letters/${id}?reveal=true`)).body).toMatchObject({
    isEdited: true,
    value: { amount: 40 },
    valueBase64: original,
  })
  const note = 'n'.repeat(2_000_000)
  expect(await edit({ accountId: accountId(1), amount: 40, note })).toMatchObject({ status: 200 })
  await fixture.ask('DELETE', `/dead-letters/${id}/value`, ANA)
  const { actions } = (await fixture.ask('GET', '/dead-letters/log?limit=2')).body
  expect(actions).toMatchObject([{ action: 'take-back' }, { action: 'edit' }])
  expect((await fixture.ask('GET', `/dead-letters/${id}`)).body).toMatchObject({ isEdited: false })
  const again = await fixture.ask('DELETE', `/dead-letters/${id}/value`, ANA)
  expect(again).toEqual({
    status: 409,
    body: {
      code: 'NOT_EDITED',
      message: `letter ${id} has no edit to take back: it is applied as it was written`,
    },
  })
  const { actions: noted } = (await fixture.ask('GET', '/dead-letters/log')).body
  expect(noted).toHaveLength(3)
  const unknown = await fixture.ask('DELETE', '/dead-letters/999/value', ANA)
  expect(unknown).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })

  await edit({ accountId: accountId(1), amount: 40 })
  await fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  await until(async () => expect(await fixture.balances()).toEqual({ [accountId(1)]: 42 }))
})

test('a letter whose schema is named in a header is replayed with its edited value', async () => {
  await fixture.serve()
  const header = ['__value_schema_id', Uint8Array.of(1, ...Buffer.alloc(16, 7))] as const
  const { value, ...record } = deposited(accountId(1), 0, [header])
  fixture.log.append(0, { ...record, value: value.subarray(5) })
  await fixture.appliedUpTo(1, 0)
  const id = await fixture.idAt(0)
  const edit = { value: { accountId: accountId(1), amount: 40 }, ...ANA }
  expect(await fixture.ask('PUT', `/dead-letters/${id}/value`, edit)).toMatchObject({ status: 200 })
  expect((await fixture.ask('GET', `/dead-letters/${id}`)).body).toMatchObject({
    value: { amount: 40 },
  })
  await fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', id, ...ANA })
  await until(async () => expect(await fixture.balances()).toEqual({ [accountId(1)]: 40 }))
})
