import { expect, onTestFinished, test } from 'vitest'
import { Cluster } from './cluster.ts'
import { FakeBroker } from './fake-broker.ts'

test('of connections that a firewall forgot, one costs a timeout, not each', async () => {
  const broker = await FakeBroker.listen()
  const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test' })
  onTestFinished(async () => {
    cluster.close()
    await broker.close()
  })
  const refresh = (timeoutMs: number) => cluster.refresh(['t'], { timeoutMs })
  await Promise.all(Array.from({ length: 4 }, () => refresh(60_000)))
  expect(broker.connectionCount).toBe(4)

  broker.cutOff()
  await expect(refresh(50)).rejects.toMatchObject({ code: 'TIMEOUT' })
  await refresh(60_000)
})
