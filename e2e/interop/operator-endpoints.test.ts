import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})
afterAll(() => broker.stop())

test('a running broker is started, ready, and may be restarted', async () => {
  const get = (path: string) => fetch(`${broker.httpUrl}${path}`)
  expect((await get('/startupz')).status).toBe(200)
  expect((await get('/v1/ready')).status).toBe(204)
  expect(await (await get('/v1/broker-state')).json()).toEqual({ brokerState: 3 })
  const safety = await get('/v1/safe-to-restart')
  expect(safety.status).toBe(200)
  expect(await safety.json()).toEqual({ isSafe: true, reasons: [], unavailableMeanwhile: 0 })
})
