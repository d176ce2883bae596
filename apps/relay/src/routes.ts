import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import type { Relay } from './relay.ts'
import { listParkedEvents } from './source/list-parked-events.ts'

/** What the relay tells beside health and metrics. */
export function relayRoutes(
  http: AppContext<ConfigSpec>['http'],
  parts: { readonly relay: Relay; readonly pool: pg.Pool; readonly slotName: string },
): void {
  http.get('/status', () => parts.relay.status)
  http.get('/parked', async () => ({ parked: await listParkedEvents(parts.pool, parts.slotName) }))
}
