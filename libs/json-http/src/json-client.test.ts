import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { OperationalError } from '@fairlead/base'
import { JsonClient } from './json-client.ts'

class ClientError extends OperationalError {
  override readonly name = 'ClientError'
}

async function clientOf(answer: RequestListener) {
  const server = createServer(answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const address = { url: `http://127.0.0.1:${port}`, timeoutMs: 50 }
  return new JsonClient('projector', address, (message, of) => new ClientError(message, of))
}

test.for([
  ['that never comes', ''],
  ['whose end never comes', '{"projections":'],
] as const)('an answer %s is not waited for', async ([, beginning]) => {
  const client = await clientOf((_request, response) => {
    if (beginning !== '') response.write(beginning)
  })
  await expect(client.ask('/projections')).rejects.toMatchObject({
    name: 'ClientError',
    code: 'TIMEOUT',
    retryable: true,
  })
})

test.for([
  ['that is cut', (response) => response.destroy(), { code: 'NETWORK', retryable: true }],
  ['of something else', (response) => response.end('<html>'), { code: 'HTTP_200' }],
  [
    'of a proxy',
    (response) => response.writeHead(502).end('<html>'),
    { code: 'HTTP_502', retryable: true, message: 'the projector answers 502, and no JSON' },
  ],
] as const satisfies readonly (readonly [
  string,
  (response: Parameters<RequestListener>[1]) => unknown,
  object,
])[])('an answer %s is an error', async ([, answer, error]) => {
  const client = await clientOf((_request, response) => {
    answer(response)
  })
  await expect(client.ask('/projections/totals/pause', { method: 'POST' })).rejects.toMatchObject({
    name: 'ClientError',
    ...error,
  })
})

test('why a service cannot be reached is told, whichever of its addresses was tried', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  for (const host of ['127.0.0.1', 'localhost']) {
    const address = { url: `http://${host}:${port}` }
    const client = new JsonClient(
      'projector',
      address,
      (message, of) => new ClientError(message, of),
    )
    await expect(client.ask('/projections')).rejects.toThrow(/answers at .*: .*ECONNREFUSED/)
  }
})
