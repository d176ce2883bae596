import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { HttpApi } from './http-api.ts'

async function serverOf(answer: RequestListener) {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  onTestFinished(close)
  return { url: `http://127.0.0.1:${port}`, close }
}

const apiAt = ({ url }: { readonly url: string }): HttpApi =>
  new HttpApi({ service: 'projector', url }, {})

test('a service that is not there is told as such', async () => {
  const server = await serverOf(() => undefined)
  server.close()
  await expect(apiAt(server).send('POST', '/promote', {})).rejects.toThrow(
    /^no projector answers at .*: connect ECONNREFUSED/,
  )
})

test('--timeout is the deadline of each request, of orders that may take longer, too', async () => {
  const { url } = await serverOf(() => undefined)
  const api = new HttpApi({ service: 'projector', url }, { timeout: '50' })
  await expect(api.get('/lag')).rejects.toThrow('gave no answer')
  const late = api.send('POST', '/promote', {}, { timeoutMs: 45_000 })
  await expect(late).rejects.toThrow('gave no answer')
})

test('what gets no answer may have been done all the same', async () => {
  const slow = apiAt(await serverOf(() => undefined))
  const late = slow.send('POST', '/promote', {}, { timeoutMs: 100 })
  await expect(late).rejects.toThrow(/^the projector at .* gave no answer .*timeout.*: whether/)
  const cut = apiAt(await serverOf((request) => request.socket.destroy()))
  await expect(cut.send('POST', '/promote', {})).rejects.toThrow(/gave no answer .*: whether/)
  await expect(cut.get('/lag')).rejects.toThrow(/gave no answer \([^)]*\)$/)
})

test('an answer that is cut, or comes to no end, is none', async () => {
  const begun = apiAt(
    await serverOf((_request, response) => {
      response.write('{"live":')
    }),
  )
  const late = begun.send('POST', '/promote', {}, { timeoutMs: 100 })
  await expect(late).rejects.toThrow(/gave no answer .*timeout.*: whether/)
  const cut = apiAt(
    await serverOf((_request, response) => {
      response.write('{"live":', () => response.destroy())
    }),
  )
  await expect(cut.get('/lag')).rejects.toMatchObject({ code: 'UNREACHABLE', status: 0 })
})

test('an answer of something else is an error', async () => {
  const other = apiAt(await serverOf((_request, response) => response.end('<html>')))
  await expect(other.get('/lag')).rejects.toMatchObject({
    code: 'HTTP_200',
    message: 'the projector answers 200, and no JSON',
  })
})
