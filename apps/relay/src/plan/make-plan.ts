import { MigrationError } from '@fairlead/postgres'
import pg from 'pg'
import type { RelayOptions } from '../options.ts'
import { type BrokersAsked, brokerSteps } from './broker-steps.ts'
import { type PlanStep, stepsOf } from './plan-step.ts'
import { type PlanFacts, readPlanFacts } from './read-plan-facts.ts'
import { sourceSteps } from './source-steps.ts'

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000

/**
 * What a start of the relay would do, in its order. Database, brokers and registry are read, and nothing is
 * changed. Whether the server went another way since (`TIMELINE_FORKED`) is only looked at by a start.
 *
 * @throws what `pg` throws when the database does not answer.
 */
export async function makePlan(
  options: RelayOptions,
  brokers: BrokersAsked,
): Promise<readonly PlanStep[]> {
  const facts = await factsOf(options)
  if ('action' in facts) return [facts]
  const route = stepsOf('route.module')
  return [
    ...(options.routeModule === undefined
      ? []
      : [route('keep', options.routeModule, 'can be loaded')]),
    ...sourceSteps(facts, options),
    ...(await brokerSteps(brokers, options, facts)),
    ...(await stepsOfRegistry(options, facts)),
  ]
}

async function factsOf(options: RelayOptions): Promise<PlanFacts | PlanStep> {
  const client = new pg.Client({
    connectionString: options.databaseUrl,
    application_name: `fairlead-relay-${options.source.slotName}-plan`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    // Nothing that a mistake of ours could change; and all of it is of one moment.
    await client.query('begin isolation level repeatable read read only')
    return await readPlanFacts(client, options)
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error
    return stepsOf('migration')('halt', '', error.message)
  } finally {
    await client.end()
  }
}

/** The libraries of the formats are loaded only where they are needed. */
async function stepsOfRegistry(
  options: RelayOptions,
  facts: PlanFacts,
): Promise<readonly PlanStep[]> {
  const { urls, credentials } = options.registry
  if (urls.length === 0) return []
  const [{ createRegistryClient }, { registrySteps }] = await Promise.all([
    import('@fairlead/serde'),
    import('./registry-steps.ts'),
  ])
  return registrySteps(createRegistryClient({ url: urls, ...credentials }), options, facts)
}
