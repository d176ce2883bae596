import type { AppSettings } from '@fairlead/service'
import { RELAY_CONFIG } from './config.ts'
import { checkRelayConfig } from './options.ts'

/** What a start and a plan read alike. */
export const RELAY_APP = {
  envPrefix: 'RELAY_',
  httpPort: 8083,
  spec: RELAY_CONFIG,
  check: checkRelayConfig,
  needsCredentials: true,
} as const satisfies AppSettings<typeof RELAY_CONFIG>
