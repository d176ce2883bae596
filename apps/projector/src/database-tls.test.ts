import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { startProjector } from './testing/projector.test-fixture.ts'

/** Code of the message by which a client asks for TLS. */
const SSL_REQUEST = 80_877_103

/** A server without TLS; gives what clients ask for first. */
async function plainServer() {
  const requests: number[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      requests.push(bytes.readInt32BE(4))
      socket.end('N')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { requests, port: (server.address() as AddressInfo).port }
}

test('a database elsewhere is spoken to with TLS, and what is wrong is told', async () => {
  const { requests, port } = await plainServer()
  // Not a loopback address, though the system takes it for one.
  const url = `postgres://ann:secret@0.0.0.0:${port}/shop`
  const { projector, health } = startProjector(url, new MemoryLog('events', 1), [])
  onTestFinished(() => projector.stop())
  await vi.waitFor(
    () =>
      expect(health.get('database')).toMatch(/the server offers none.*sslmode=disable in its URL/),
    { timeout: 60_000 },
  )
  expect(new Set(requests)).toEqual(new Set([SSL_REQUEST]))
})
