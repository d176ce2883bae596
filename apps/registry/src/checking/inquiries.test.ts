import { afterEach, expect, test } from 'vitest'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { call, closeRegistries, startRegistry } from '../http/registry.test-fixture.ts'

afterEach(closeRegistries)

/** 1.1 MB, which takes some 200 ms to read. */
const wide = (fieldCount: number, type: unknown = 'long', more: object = {}): object => ({
  schema: JSON.stringify({
    type: 'record',
    name: 'Wide',
    fields: Array.from({ length: fieldCount }, (_, index) => ({
      name: `field${index}`,
      type,
      default: 0,
    })),
  }),
  ...more,
})

test('others are answered while a large schema is registered', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/small/versions', { schema: '"int"' })
  // The thread starts with the first of them.
  await call(http, 'POST /subjects/first/versions', wide(10_000))
  const state = { isRegistered: false }
  const registered = call(http, 'POST /subjects/large/versions', wide(20_000)).then((answer) => {
    state.isRegistered = true
    return answer
  })
  let answeredCount = 0
  while (!state.isRegistered) {
    expect((await call(http, 'GET /subjects/small/versions/1'))[0]).toBe(200)
    await new Promise((resolve) => setImmediate(resolve))
    answeredCount += 1
  }
  expect((await registered)[0]).toBe(200)
  expect(answeredCount).toBeGreaterThan(10)
})

test('a large schema is answered as a small one is, by every route', async () => {
  const { http } = startRegistry()
  const answersTo = async (fieldCount: number) => {
    const subject = `s${fieldCount}`
    const post = async (path: string, body: object): Promise<unknown> => {
      const [status, answer] = await call(http, `POST ${path}`, body)
      const { error_code, version, is_compatible, messages } = answer as Record<string, unknown>
      return [status, error_code, version, is_compatible, (messages as [] | undefined)?.length]
    }
    const one = wide(fieldCount)
    const added = wide(fieldCount + 1)
    const incompatible = wide(1, 'string', {})
    const invalid = { schema: `${String(Reflect.get(one, 'schema'))},` }
    const versions = `/subjects/${subject}/versions`
    return [
      await post(`/subjects/${subject}`, one),
      await post(versions, one),
      await post(versions, one),
      await post(`/subjects/${subject}`, one),
      await post(`/subjects/${subject}`, added),
      await post(`/compatibility${versions}/latest?verbose=true`, added),
      await post(`/compatibility${versions}/latest?verbose=true`, incompatible),
      await post(`/compatibility${versions}?verbose=true`, invalid),
      await post(`/compatibility${versions}/7`, one),
      await post(versions, invalid),
      await post(versions, { ...added, references: [{ name: 'n', subject: 'n', version: 1 }] }),
      await post(versions, added),
      await post('/readers/ids/1', added),
    ]
  }
  expect(await answersTo(5_000)).toEqual(await answersTo(5))
})

test('large schemas that are registered at once under one subject are compared with each other', async () => {
  const log = new MemorySchemaLog()
  const [one, other] = [startRegistry(log), startRegistry(log)]
  const answers = await Promise.all(
    [one, other, one, other].map(({ http }, index) =>
      call(http, 'POST /subjects/large/versions', wide(3_000 + (index % 3))),
    ),
  )
  expect(answers.map(([status]) => status)).toEqual([200, 200, 200, 200])
  const versions = answers.map(([, body]) => (body as { readonly version: number }).version)
  // The first and the last are the same schema.
  expect(versions[0]).toBe(versions[3])
  expect(new Set(versions.slice(0, 3))).toEqual(new Set([1, 2, 3]))
  expect(await call(other.http, 'GET /subjects/large/versions')).toEqual([200, [1, 2, 3]])
})
