import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import type { RelayOptions } from '../options.ts'
import { routeModuleFault } from '../route/load-route.ts'
import type { ClockOffset } from '../watch/clock-offset.ts'
import type { HeartbeatStatus } from '../watch/heartbeats.ts'
import { type Finding, clockFinding, findings } from './findings.ts'
import { readSourceFacts } from './read-facts.ts'

export type DoctorParts = {
  readonly pool: pg.Pool
  readonly options: Pick<RelayOptions, 'source' | 'wal' | 'routeModule'>
  /** True when they answer; otherwise why they do not. */
  readonly brokerState: () => true | string
  /** Null where this relay writes none. */
  readonly heartbeat: () => HeartbeatStatus | null
  /** Undefined while it is not known. */
  readonly clockOffset: () => ClockOffset | undefined
}

/** `GET /doctor`: looks at source and brokers, and says what is wrong, or will be; changes nothing. */
export function addDoctorRoute(http: AppContext<ConfigSpec>['http'], parts: DoctorParts): void {
  http.get('/doctor', async () => ({ findings: await examine(parts) }))
}

export async function examine(parts: DoctorParts): Promise<readonly Finding[]> {
  const { source, wal, routeModule } = parts.options
  const facts = await readSourceFacts(parts.pool, source)
  const brokers = parts.brokerState()
  const heartbeat = parts.heartbeat()
  const clockOffset = parts.clockOffset()
  return [
    ...findings(facts, {
      slotName: source.slotName,
      isFailoverWanted: source.failover,
      snapshotMode: source.snapshotMode,
      walBudgetBytes: wal.budget.budgetBytes,
    }),
    ...(clockOffset === undefined ? [] : [clockFinding(clockOffset)]),
    ...(await routeFindings(routeModule)),
    brokers === true
      ? { level: 'ok', check: 'brokers', text: 'one answers' }
      : { level: 'error', check: 'brokers', text: brokers },
    ...(heartbeat === null ? [] : [heartbeatFinding(heartbeat)]),
  ]
}

/** The relay has loaded the module when it started; the next start loads what the file is by then. */
async function routeFindings(path: string | undefined): Promise<readonly Finding[]> {
  if (path === undefined) return []
  const fault = await routeModuleFault(path)
  return [
    fault === undefined
      ? { level: 'ok', check: 'route.module', text: `${path} can be loaded` }
      : { level: 'error', check: 'route.module', text: `the next start would fail: ${fault}` },
  ]
}

function heartbeatFinding({ problem, roundTripMs, seenAt }: HeartbeatStatus): Finding {
  const check = 'heartbeat'
  if (problem !== null) return { level: 'error', check, text: problem }
  const text =
    seenAt === null
      ? 'none has come back yet'
      : `the last one came back at ${seenAt}, after ${roundTripMs} ms`
  return { level: 'ok', check, text }
}
