import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, deposited } from '../testing/accounts.test-fixture.ts'
import { ANA, LetterFixture, TOPIC } from '../testing/letters.test-fixture.ts'

let fixture: LetterFixture

beforeEach(async () => {
  fixture = await LetterFixture.open()
})

afterEach(() => fixture.close())

test('letters are listed by projection, kind and page, with where they come from', async () => {
  await fixture.serve()
  fixture.log.append(0, deposited(accountId(1), 0, [['id', Buffer.from('event-1')]]))
  fixture.log.append(0, deposited(accountId(1), 1))
  await fixture.appliedUpTo(2, 0)
  const list = async (query: string) => {
    const { body } = await fixture.ask('GET', `/dead-letters?${query}`)
    return body['deadLetters'] as readonly { readonly id: string }[]
  }
  const all = await list('projection=accounts')
  expect(all).toMatchObject([
    {
      offset: 0,
      key: accountId(1),
      kind: 'failed',
      blockedBy: null,
      errorMessage: 'nothing deposited',
      messageId: 'event-1',
      schemaId: 1,
    },
    { offset: 1, key: accountId(1), kind: 'blocked', blockedBy: all[0]?.id, errorMessage: null },
  ])
  expect(await list(`after=${all[0]?.id}&limit=1`)).toMatchObject([{ offset: 1 }])
  expect(await list('kind=blocked')).toHaveLength(1)
  expect(await fixture.ask('GET', '/dead-letters?kind=lost')).toMatchObject({ status: 400 })
  expect((await fixture.ask('GET', '/dead-letters/keys?errorClass=RangeError')).body).toMatchObject(
    {
      keys: [{ key: accountId(1), letters: 2, isDraining: false, headId: all[0]?.id }],
    },
  )
  const shown = await fixture.ask('GET', `/dead-letters/${all[0]?.id}`)
  expect(shown.body).toMatchObject({
    value: { accountId: accountId(1), amount: 0 },
    codeHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(shown.body).not.toHaveProperty('valueBase64')
})

test('whole letters are listed by pages, of no more bytes than a page may have but for one letter', async () => {
  await fixture.serve()
  const padding = [['pad', Buffer.alloc(700_000, 'x')]] as const
  for (let index = 0; index < 7; index += 1) {
    fixture.log.append(0, deposited(accountId(1), 0, index < 5 ? padding : []))
  }
  await fixture.appliedUpTo(7, 0)
  const pages: (readonly Readonly<Record<string, unknown>>[])[] = []
  for (let after: string | null = '0'; after !== null; ) {
    const query = `projection=accounts&whole=true&limit=1000&after=${after}`
    const { status, body } = await fixture.ask('GET', `/dead-letters?${query}`)
    expect(status).toBe(200)
    pages.push(body['deadLetters'] as (typeof pages)[number])
    after = body['next'] as string | null
  }
  expect(pages.map((page) => page.length)).toEqual([4, 3, 0])
  const [first] = pages.flat()
  const alone = await fixture.ask('GET', `/dead-letters/${String(first?.['id'])}`)
  expect(first).toEqual(alone.body)
  const revealed = await fixture.ask('GET', '/dead-letters?whole=true&reveal=true&limit=1')
  expect(revealed.body['deadLetters']).toMatchObject([{ valueBase64: expect.any(String) }])
  const refused = await fixture.ask('GET', '/dead-letters?reveal=true')
  expect(refused).toMatchObject({ status: 400 })
})

test('lists of the live version are of no other one', async () => {
  await fixture.serve()
  fixture.log.append(0, deposited(accountId(1), 0))
  await fixture.appliedUpTo(1, 0)
  const order = { projection: 'accounts', version: 'live', all: true, ...ANA }
  expect(await fixture.ask('POST', '/dead-letters/replay', order)).toMatchObject({ status: 200 })
  await sql`insert into evt.dead_letter_log (projection_id, version, actor, reason, action, letter)
    select projection_id, version, 'ana', 'why', 'edit', to_jsonb(l) from evt.dead_letter l`.execute(
    fixture.db,
  )
  const lists = {
    deadLetters: '',
    keys: '/keys',
    causes: '/causes',
    actions: '/log',
    replays: '/replays',
  }
  const listed = async (version: number | 'live') => {
    const answers = Object.entries(lists).map(async ([name, path]) => {
      const query = `projection=accounts&version=${version}`
      const { body } = await fixture.ask('GET', `/dead-letters${path}?${query}`)
      return [name, body[name]] as const
    })
    return Object.fromEntries(await Promise.all(answers))
  }
  const all = (letters: readonly object[]) =>
    Object.fromEntries(Object.keys(lists).map((name) => [name, letters]))
  const one = all([{ version: 1 }])
  expect(await listed(1)).toMatchObject(one)
  expect(await listed('live')).toMatchObject(one)
  await sql`update evt.projection set live_version = null`.execute(fixture.db)
  expect(await listed(1)).toMatchObject(one)
  expect(await listed('live')).toEqual(all([]))
  expect(await fixture.ask('POST', '/dead-letters/replay', order)).toMatchObject({ status: 404 })
  expect(await fixture.ask('GET', '/dead-letters?version=newest')).toMatchObject({ status: 400 })
})

test('pages of parked keys skip none while those of the page before are released', async () => {
  await fixture.serve()
  await fixture.appliedUpTo(0, 0)
  // Those of one batch are parked at one time, and two topics have keys in common.
  await sql`
    insert into evt.parked_key (projection_id, version, topic, part, key, parked_at)
    select p.id, 1, topic, 0, 'key-' || n, timestamptz '2026-01-01 00:00:00.000001Z'
    from evt.projection p, unnest(array[${TOPIC}, 'a.b']) as topic, generate_series(1, 60) as n`.execute(
    fixture.db,
  )
  const seen: string[] = []
  let pages = 0
  for (let after = ''; ; ) {
    pages += 1
    const { body } = await fixture.ask(
      'GET',
      `/dead-letters/keys?projection=accounts&limit=40${after}`,
    )
    const keys = body['keys'] as readonly { readonly key: string; readonly topic: string }[]
    seen.push(...keys.map(({ key, topic }) => `${topic} ${key}`))
    await sql`delete from evt.parked_key
      where topic || ' ' || key = any(${seen}::text[])`.execute(fixture.db)
    const next = body['next'] as string | null
    if (next === null) break
    after = `&after=${encodeURIComponent(next)}`
  }
  expect(pages).toBe(3)
  expect(new Set(seen).size).toBe(120)
  expect(seen).toHaveLength(120)
  expect(await fixture.ask('GET', '/dead-letters/keys?after=40')).toMatchObject({ status: 400 })
})

test('a page of parked keys may end at one of a throw-away version', async () => {
  await fixture.serve()
  await fixture.appliedUpTo(0, 0)
  await sql`
    insert into evt.projection_version (projection_id, version, state, kind, schema_name, code_hash)
    select projection_id, -1, 'building', kind, 'rm_accounts_until', code_hash
    from evt.projection_version`.execute(fixture.db)
  await sql`
    insert into evt.parked_key (projection_id, version, topic, part, key, parked_at)
    select projection_id, version, ${TOPIC}, 0, 'key', timestamptz '2026-01-01 00:00:00Z'
    from evt.projection_version`.execute(fixture.db)
  const first = (await fixture.ask('GET', '/dead-letters/keys?limit=1')).body
  expect(first).toMatchObject({ keys: [{ version: -1 }] })
  const next = encodeURIComponent(String(first['next']))
  expect(await fixture.ask('GET', `/dead-letters/keys?limit=1&after=${next}`)).toMatchObject({
    status: 200,
    body: { keys: [{ version: 1 }], next: null },
  })
})

test('lists are narrowed by what they are asked, or refuse it', async () => {
  await fixture.serve()
  fixture.log.append(0, deposited(accountId(1), 0), deposited(accountId(2), 0))
  await fixture.appliedUpTo(2, 0)
  await fixture.ask('POST', '/dead-letters/discard', {
    projection: 'accounts',
    key: accountId(1),
    ...ANA,
  })
  const list = async (path: string, of: string) => {
    const { status, body } = await fixture.ask('GET', `/dead-letters${path}`)
    return status === 200 ? (body[of] as readonly unknown[]).length : status
  }
  expect(await list('/causes?version=1', 'causes')).toBe(1)
  expect(await list('/causes?version=2', 'causes')).toBe(0)
  expect(await list('/causes?tenant=acme', 'causes')).toBe(0)
  expect(await list(`/log?key=${accountId(1)}&version=1`, 'actions')).toBe(1)
  expect(await list(`/log?key=${accountId(2)}`, 'actions')).toBe(0)
  expect(await list('/log?version=2', 'actions')).toBe(0)
  const refused = [
    '/causes?kind=failed',
    '/log?actor=ana',
    '?versoin=1',
    '?version=99999999999',
    '?key=%00',
    '?tenant=',
    '/keys?offset=1e300',
    '/keys?olderThanMs=1e300',
  ]
  for (const path of refused) expect([path, await list(path, '')]).toEqual([path, 400])
  for (const path of ['', '/keys', '/causes', '/log']) {
    expect(await fixture.ask('GET', `/dead-letters${path}?projection=acounts`)).toMatchObject({
      status: 404,
      body: { message: expect.stringContaining('there is no projection acounts') },
    })
  }
})

test('orders that name nothing, or two things, or what there is not, are refused', async () => {
  await fixture.serve()
  const order = async (body: object) =>
    (await fixture.ask('POST', '/dead-letters/replay', body)).status
  const all = { projection: 'accounts', all: true, ...ANA }
  expect(await fixture.ask('POST', '/dead-letters/replay', { ...all, versoin: 2 })).toMatchObject({
    status: 400,
    body: { message: 'body has "versoin", which is unknown here' },
  })
  expect(await order({ ...all, version: '2' })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, tenant: null })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, tenant: '' })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, key: null })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, key: 'a\0b' })).toBe(400)
  expect(await order({ ...all, reason: 'a\0b' })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA })).toBe(400)
  expect(await order({ projection: 'accounts', key: 'a', all: true, ...ANA })).toBe(400)
  expect(await order({ projection: 'accounts', all: true })).toBe(400)
  expect(await order({ projection: 'nothing', all: true, ...ANA })).toBe(404)
})
