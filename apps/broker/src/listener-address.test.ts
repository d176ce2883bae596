import { describe, expect, test } from 'vitest'
import type { BrokerConfig } from './config.ts'
import { ConfigurationError, advertisedAddress, listenerAddress } from './listener-address.ts'

function config(listeners: string[], advertised?: string[]): BrokerConfig {
  return { listeners, 'advertised.listeners': advertised } as unknown as BrokerConfig
}

describe('listeners', () => {
  test.for([
    { listener: 'PLAINTEXT://127.0.0.1:9092', address: { host: '127.0.0.1', port: 9092 } },
    { listener: 'PLAINTEXT://[::1]:0', address: { host: '::1', port: 0 } },
    { listener: 'plaintext://:9092', address: { host: '', port: 9092 } },
  ])('$listener', ({ listener, address }) => {
    expect(listenerAddress(config([listener]))).toEqual(address)
  })

  test.for([
    [[]],
    [['PLAINTEXT://a:1', 'PLAINTEXT://b:2']],
    [['SSL://a:1']],
    [['a:1']],
    [['PLAINTEXT://a:70000']],
  ])('%j is refused', ([listeners]) => {
    expect(() => listenerAddress(config(listeners ?? []))).toThrow(ConfigurationError)
  })

  test('clients are told the port that was bound when none is fixed', () => {
    const address = advertisedAddress(config(['PLAINTEXT://127.0.0.1:0']), 45_123)
    expect(address).toEqual({ host: '127.0.0.1', port: 45_123 })
  })

  test('clients are never told an address that they cannot connect to', () => {
    const everywhere = ['PLAINTEXT://0.0.0.0:9092']
    expect(() => advertisedAddress(config(everywhere), 9092)).toThrow(ConfigurationError)
    expect(advertisedAddress(config(everywhere, ['PLAINTEXT://kafka:9092']), 9092)).toEqual({
      host: 'kafka',
      port: 9092,
    })
  })
})
