import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import type { RelayOptions } from '../options.ts'
import { type Finding, findings } from './findings.ts'
import { readSourceFacts } from './read-facts.ts'

export type DoctorParts = {
  readonly pool: pg.Pool
  readonly options: Pick<RelayOptions, 'source' | 'wal'>
  /** True when they answer; otherwise why they do not. */
  readonly brokerState: () => true | string
}

/** `GET /doctor`: looks at source and brokers, and says what is wrong, or will be; changes nothing. */
export function addDoctorRoute(http: AppContext<ConfigSpec>['http'], parts: DoctorParts): void {
  http.get('/doctor', async () => ({ findings: await examine(parts) }))
}

export async function examine(parts: DoctorParts): Promise<readonly Finding[]> {
  const { source, wal } = parts.options
  const facts = await readSourceFacts(parts.pool, source)
  const brokers = parts.brokerState()
  return [
    ...findings(facts, {
      slotName: source.slotName,
      isFailoverWanted: source.failover,
      snapshotMode: source.snapshotMode,
      walBudgetBytes: wal.budget.budgetBytes,
    }),
    brokers === true
      ? { level: 'ok', check: 'brokers', text: 'one answers' }
      : { level: 'error', check: 'brokers', text: brokers },
  ]
}
