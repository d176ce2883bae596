import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createProjectionAdmin } from './projection-admin.ts'

async function adminOf(answer: RequestListener) {
  const server = createServer(answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return createProjectionAdmin({ url: `http://127.0.0.1:${port}`, timeoutMs: 50 })
}

test.for([
  ['that never comes', ''],
  ['whose end never comes', '{"projections":'],
] as const)('an answer %s is not waited for', async ([, beginning]) => {
  const admin = await adminOf((_request, response) => {
    if (beginning !== '') response.write(beginning)
  })
  await expect(admin.versions()).rejects.toMatchObject({
    name: 'ProjectionAdminError',
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
  const admin = await adminOf((_request, response) => {
    answer(response)
  })
  await expect(admin.pause('totals')).rejects.toMatchObject({
    name: 'ProjectionAdminError',
    ...error,
  })
})
