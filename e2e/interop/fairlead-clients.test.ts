import { describe } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { testFairleadClients } from './fairlead-clients.ts'

describe('the clients of our services, on our broker', () => {
  testFairleadClients(() => BrokerProcess.start())
})
