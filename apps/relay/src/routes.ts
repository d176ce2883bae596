import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import { type DoctorParts, addDoctorRoute } from './doctor/doctor-route.ts'
import { addParkedRoutes } from './parked/parked-routes.ts'
import type { Relay } from './relay.ts'
import type { SlotWatch } from './watch/slot-watch.ts'
import { addSignalRoutes } from './signals/signal-routes.ts'

/**
 * What the relay tells and takes beside health and metrics. `GET /status` is the relay's own state with
 * the slot's: `lagBytes` and `wal` are null when the slot is not there, or the database does not answer.
 */
export function relayRoutes(
  http: AppContext<ConfigSpec>['http'],
  parts: {
    readonly relay: Relay
    readonly watch: SlotWatch
    readonly pool: pg.Pool
    readonly slotName: string
    readonly options: DoctorParts['options']
    readonly brokerState: DoctorParts['brokerState']
  },
): void {
  http.get('/status', () => {
    const { status } = parts.watch
    return { ...parts.relay.status, lagBytes: status?.lagBytes ?? null, wal: status ?? null }
  })
  addDoctorRoute(http, {
    ...parts,
    heartbeat: () => parts.relay.status.heartbeat,
    clockOffset: () => parts.watch.clockOffset,
  })
  addParkedRoutes(http, parts)
  addSignalRoutes(http, parts)
}
