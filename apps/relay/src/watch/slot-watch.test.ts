import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { Metrics } from '@fairlead/service'
import { expect, onTestFinished, test, vi } from 'vitest'
import { RelayMetrics } from '../metrics.ts'
import { SlotWatch } from './slot-watch.ts'

const INTERVAL_MS = 5_000

/** With the clock of the test standing still: that of `vi.waitFor` would go on. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate()
}

test('of a server that is silent for long no looks are left to be made up for', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const sockets: Socket[] = []
  let isSilent = true
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    if (!isSilent) socket.destroy()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  let failures = 0
  const ignore = () => undefined
  const watch = new SlotWatch({
    databaseUrl: `postgres://ann@127.0.0.1:${(server.address() as AddressInfo).port}/shop`,
    slotName: 'slot',
    budget: { budgetBytes: undefined, warningPercent: 50, criticalPercent: 80 },
    policy: 'warn',
    metrics: new RelayMetrics(new Metrics({ service: 'relay', version: 'test' })),
    logger: { debug: () => (failures += 1), info: ignore, warn: ignore, error: ignore },
    onState: ignore,
  })
  onTestFinished(() => watch.stop())
  watch.start()
  await until(() => sockets.length === 1)
  vi.advanceTimersByTime(10 * INTERVAL_MS)
  isSilent = false
  sockets[0]?.destroy()
  await until(() => failures > 0)
  expect(failures).toBe(1)
  for (const looks of [2, 3]) {
    vi.advanceTimersByTime(INTERVAL_MS)
    await until(() => failures >= looks)
    expect(sockets.length).toBe(looks)
  }
})
