import { Health, createHttpServer } from '@fairlead/service'
import type { EventLog } from '../log/event-log.ts'
import { addRoutes } from '../routes.ts'
import { takeStrictly } from '../strict-requests.ts'
import type { TestProjector } from './projector.test-fixture.ts'

/** The HTTP API of a projector in this process, which listens nowhere yet. */
export function serveRoutes(
  { projector, metrics }: TestProjector,
  log: EventLog,
): ReturnType<typeof createHttpServer> {
  const http = createHttpServer({
    name: 'projector',
    version: 'test',
    health: new Health(),
    metrics,
  })
  takeStrictly(http)
  addRoutes(http, {
    db: projector.operatorDb,
    log,
    registered: () => projector.registered,
    runners: () => projector.runners,
    rateOf: (schemaName) => projector.rateOf(schemaName),
    onChange: () => projector.refresh(),
    isStopping: () => projector.isStopping,
  })
  return http
}
