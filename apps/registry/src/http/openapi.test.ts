import { afterEach, expect, test } from 'vitest'
import { OPERATIONS } from './operations.ts'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly summary: string }>>>>
}

test('the document has every route, and says of each what it is for', async () => {
  const { http } = startRegistry()
  const [status, document] = await call(http, 'GET /openapi.json')
  expect(status).toBe(200)
  const routes = Object.entries((document as Document).paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { summary }]) => {
      expect(summary, path).not.toBe('')
      return `${method.toUpperCase()} ${path}`
    }),
  )
  expect(routes.sort()).toEqual(Object.keys(OPERATIONS).sort())
})
