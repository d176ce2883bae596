import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AccountEvents } from '../projections/accounts.ts'
import { deposits, release, startStack } from '../projections/rebuild-stack.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { run } from '../support/command.ts'
import { pythonAbsence, pythonWith } from './clients/python-environment.ts'

const FOLDER = join(import.meta.dirname, 'clients/python')
const REQUIREMENTS = join(FOLDER, 'requirements-prometheus-client-0.26.0.txt')
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'

type Shown = {
  /** Names of samples, sorted, each once. */
  readonly series: readonly string[]
  readonly exemplars: readonly Readonly<Record<string, string>>[]
}

/** What a client of Prometheus makes of what an app shows. */
async function openMetricsOf(url: string): Promise<Shown> {
  const input = await scrape(url, 'application/openmetrics-text;version=1.0.0')
  const python = await pythonWith(REQUIREMENTS)
  return JSON.parse(await run(python, [join(FOLDER, 'parse_metrics.py')], { input })) as Shown
}

async function scrape(url: string, accept: string): Promise<string> {
  return (await fetch(`${url}/metrics`, { headers: { accept } })).text()
}

/** In the form that most scrapers know. */
async function seriesOf(url: string): Promise<readonly string[]> {
  const lines = (await scrape(url, 'text/plain')).matchAll(/^\w+/gm)
  return [...new Set([...lines].map(([name]) => name))].sort()
}

let broker: BrokerProcess

beforeAll(async () => {
  // Less than what a projector of these tests asks for.
  broker = await BrokerProcess.start({ 'group.min.session.timeout.ms': 1_000 })
})
afterAll(() => broker.stop())

test.skipIf(pythonAbsence() !== undefined)(
  'what every app shows to OpenMetrics is by its specification, and has the names that Prometheus sees',
  async () => {
    await using stack = await startStack({ bootstrapServers: broker.address })
    const projector = release(stack, 'accounts:1')
    const relay = stack.relay()
    await Promise.all([projector.ready(), relay.ready()])
    await stack.publish(...deposits(50))
    await stack.caughtUp('accounts')
    const [event] = await stack.encode(
      AccountEvents.Deposited({ accountId: 'a', amount: 1, note: '' }),
    )
    const traceparent = Buffer.from(`00-${TRACE_ID}-${SPAN_ID}-01`)
    const headers = [...(event?.headers ?? []), ['traceparent', traceparent] as const]
    await stack.publishRaw({ ...event, headers })
    await stack.caughtUp('accounts')

    const apps = {
      broker: { url: broker.httpUrl },
      registry: stack.registry,
      projector,
      relay,
    }
    for (const [name, { url }] of Object.entries(apps)) {
      const openMetrics = await openMetricsOf(url)
      expect(openMetrics.series.length, name).toBeGreaterThan(30)
      expect(openMetrics.series, name).toEqual(await seriesOf(url))
      const traced = name === 'projector' ? { trace_id: TRACE_ID, span_id: SPAN_ID } : undefined
      expect(openMetrics.exemplars, name).toEqual(traced === undefined ? [] : [traced, traced])
    }
  },
)
