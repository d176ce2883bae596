import { Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Cluster } from './cluster.ts'
import { FakeBroker } from './fake-broker.ts'

async function connected() {
  const broker = await FakeBroker.listen()
  const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test' })
  onTestFinished(async () => {
    cluster.close()
    await broker.close()
  })
  return { broker, cluster }
}

test('a connection that says nothing for long is kept alive', async () => {
  const setKeepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive')
  onTestFinished(() => setKeepAlive.mockRestore())
  const { cluster } = await connected()
  await cluster.refresh(['t'], { timeoutMs: 60_000 })
  expect(setKeepAlive).toHaveBeenCalledWith(true, 60_000)
})

test('of connections that a firewall forgot, one costs a timeout, not each', async () => {
  const { broker, cluster } = await connected()
  const refresh = (timeoutMs: number) => cluster.refresh(['t'], { timeoutMs })
  await Promise.all(Array.from({ length: 4 }, () => refresh(60_000)))
  expect(broker.connectionCount).toBe(4)

  broker.cutOff()
  await expect(refresh(50)).rejects.toMatchObject({ code: 'TIMEOUT' })
  await refresh(60_000)
})
