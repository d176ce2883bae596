import { expect, test } from 'vitest'
import { Metrics } from './metrics.ts'
import { RequestDurations } from './request-durations.ts'

const OPTIONS = { name: 'duration_seconds', help: 'How long.' }
const BUCKETS_SECONDS = [0.001, 0.0025, 1]

/** The lines of one metric, which are the last in the text. */
const exported = async (metrics: Metrics): Promise<string> => {
  const text = await metrics.registry.metrics()
  return text.slice(text.indexOf(`# HELP ${OPTIONS.name}`))
}

test('durations of requests are exported as those of a histogram of prom-client', async () => {
  const metrics = new Metrics({ service: 'registry', version: '0' })
  const durations = new RequestDurations({ ...OPTIONS, bucketsSeconds: BUCKETS_SECONDS })
  metrics.expose(durations)
  const reference = new Metrics({ service: 'registry', version: '0' })
  const histogram = reference.histogram({
    ...OPTIONS,
    labelNames: ['method', 'route', 'code'],
    buckets: BUCKETS_SECONDS,
  })
  expect(await exported(metrics)).toBe(await exported(reference))

  const route = '/schemas/ids/:id'
  for (const [request, seconds] of [
    [{ method: 'GET', route, code: 200 }, 0.0001],
    [{ method: 'GET', route, code: 200 }, 0.001],
    [{ method: 'GET', route, code: 200 }, 0.0011],
    [{ method: 'GET', route, code: 200 }, 4],
    [{ method: 'GET', route, code: 404 }, 1],
    [{ method: 'PUT', route, code: 404 }, 0],
    [{ method: 'GET', route: 'unknown', code: 404 }, 0.5],
  ] as const) {
    durations.observe(request, seconds)
    histogram.observe(request, seconds)
  }
  expect(await exported(metrics)).toBe(await exported(reference))
  expect(await exported(metrics)).toContain(
    `duration_seconds_bucket{le="0.0025",method="GET",route="/schemas/ids/:id",code="200"} 3\n`,
  )
})
