import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { Health } from '@fairlead/service'
import { fastify } from 'fastify'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { startShop } from './shop.ts'

/** Of a client that asks for TLS before it says who it is. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

test('a database that is not on this machine is asked for TLS first', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const connected = once(server, 'connection') as Promise<[Socket]>
  const { port } = server.address() as AddressInfo
  const http = fastify()
  const shop = await startShop({
    // An address that is not one of this machine by its name, and leads to it all the same.
    config: {
      'database.url': `postgres://ann@0.0.0.0:${port}/shop`,
      'schema.registry.url': 'http://127.0.0.1:1',
      'traffic.orders.per.second': 0,
    } as Parameters<typeof startShop>[0]['config'],
    configTexts: new Map(),
    logger: pino({ level: 'silent' }),
    metrics: undefined as never,
    health: new Health(),
    http,
    listen: () => Promise.resolve(0),
    fail: (error) => expect.unreachable(String(error)),
  })
  const [socket] = await connected
  const [first] = (await once(socket, 'data')) as [Buffer]
  expect(first).toEqual(SSL_REQUEST)
  socket.destroy()
  await shop.stop()
  await http.close()
})
