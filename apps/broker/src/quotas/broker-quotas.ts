import {
  ClientQuotas,
  ConnectionRates,
  type QuotaWindows,
  type QuotasImage,
} from '@fairlead/metadata'
import type { BrokerConfig } from '../config.ts'
import { QUOTA_SENSORS_MAX } from '../limits.ts'

const SECOND_MS = 1_000

export type BrokerQuotas = {
  readonly clients: ClientQuotas
  readonly connections: ConnectionRates
}

/** What measures clients against the quotas that the metadata hold. */
export function brokerQuotas(image: QuotasImage, config: BrokerConfig): BrokerQuotas {
  const windows: QuotaWindows = {
    count: config['quota.window.num'],
    windowMs: config['quota.window.size.seconds'] * SECOND_MS,
  }
  const mutationWindows: QuotaWindows = {
    count: config['controller.quota.window.num'],
    windowMs: config['controller.quota.window.size.seconds'] * SECOND_MS,
  }
  const sensorsMax = QUOTA_SENSORS_MAX
  return {
    clients: new ClientQuotas({ image, windows, mutationWindows, sensorsMax }),
    connections: new ConnectionRates({ image, windows, sensorsMax }),
  }
}
