import type { AppContext, ConfigSpec } from '@fairlead/service'
import type { Relay } from './relay.ts'

/** What the relay tells beside health and metrics. */
export function relayRoutes(http: AppContext<ConfigSpec>['http'], relay: Relay): void {
  http.get('/status', () => relay.status)
}
