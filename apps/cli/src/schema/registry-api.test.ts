import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { failureOf } from '../command/failure.ts'
import { RegistryApi } from './registry-api.ts'

test('a registry that is not there is told as such, and no broker is looked for', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  const registry = new RegistryApi({
    registryUrl: `http://127.0.0.1:${port}`,
    requestTimeoutMs: 5_000,
  })
  const error: unknown = await registry.get('/subjects').catch((thrown: unknown) => thrown)
  expect(failureOf(error)).toEqual({
    exitCode: 6,
    code: 'UNREACHABLE',
    message: expect.stringMatching(/does not answer: connect ECONNREFUSED/),
    hint: expect.stringContaining('--registry'),
  })
})
