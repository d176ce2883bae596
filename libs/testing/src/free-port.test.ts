import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from './free-port.ts'

test('ports can be listened on, differ, and are none that a connection gets by itself', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort))
  expect(new Set(ports).size).toBe(ports.length)
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  expect(Math.max(...ports)).toBeLessThan(Math.max(32_768, Number(range.split(/\s/)[0])))
  const server = createServer().listen({ host: '127.0.0.1', port: ports[0] })
  await once(server, 'listening')
  server.close()
})
