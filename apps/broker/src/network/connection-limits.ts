import { isIP } from 'node:net'
import type { BrokerConfig } from '../config.ts'
import type { ConnectionLimits } from './connection-slots.ts'

const KEY = 'max.connections.per.ip.overrides'

/** `totalMax` is `max.connections`, or how many there are files for; `overrideProblems` must be empty. */
export function connectionLimits(config: BrokerConfig, totalMax: number): ConnectionLimits {
  return {
    totalMax,
    perIpMax: config['max.connections.per.ip'],
    perIpMaxOverrides: new Map(
      config[KEY].map(readOverride).filter((entry) => entry !== undefined),
    ),
    creationRateMax: config['max.connection.creation.rate'],
  }
}

export function overrideProblems(config: BrokerConfig): string[] {
  return config[KEY]
    .filter((entry) => readOverride(entry) === undefined)
    .map(
      (entry) => `${KEY}: "${entry}" is not of the form address:count; write it like 10.0.0.1:200`,
    )
}

/** Behind the last colon is the count: an IPv6 address has colons of its own. */
function readOverride(entry: string): readonly [address: string, count: number] | undefined {
  const colon = entry.lastIndexOf(':')
  const address = entry.slice(0, Math.max(0, colon)).trim().replaceAll(/[[\]]/g, '')
  const count = entry.slice(colon + 1).trim()
  if (isIP(address) === 0 || !/^\d{1,10}$/.test(count)) return undefined
  return [address, Number(count)]
}
