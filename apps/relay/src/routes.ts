import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import { addParkedRoutes } from './parked/parked-routes.ts'
import type { Relay } from './relay.ts'
import { addSignalRoutes } from './signals/signal-routes.ts'

/** What the relay tells and takes beside health and metrics. */
export function relayRoutes(
  http: AppContext<ConfigSpec>['http'],
  parts: { readonly relay: Relay; readonly pool: pg.Pool; readonly slotName: string },
): void {
  http.get('/status', () => parts.relay.status)
  addParkedRoutes(http, parts)
  addSignalRoutes(http, parts)
}
