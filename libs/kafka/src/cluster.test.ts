import { type AddressInfo, Socket, createServer } from 'node:net'
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

test('brokers that are gone from where they were, without a word, are asked for where the client began', async () => {
  const { broker, cluster } = await connected()
  const silent = createServer()
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => void silent.close())
  broker.advertisedPort = (silent.address() as AddressInfo).port
  await cluster.refresh(['t'], { timeoutMs: 60_000 })
  broker.hangUp()
  const inVain = () =>
    expect(cluster.refresh(['t'], { timeoutMs: 50 })).rejects.toMatchObject({ retryable: true })
  await Promise.all([inVain(), inVain()])
  broker.comeBack()
  // As long as the silent one would take.
  await cluster.refresh(['t'], { timeoutMs: 4_000 })
})
