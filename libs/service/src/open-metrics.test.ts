import { expect, test } from 'vitest'
import { Metrics } from './metrics.ts'
import { openMetricsText, prefersOpenMetrics } from './open-metrics.ts'

const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'
const PROMETHEUS_3 =
  'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

test.for([
  [PROMETHEUS_2, true],
  [PROMETHEUS_3, true],
  ['application/openmetrics-text', true],
  ['APPLICATION/OpenMetrics-Text; Version=1.0.0, */*;q=0.1', true],
  ['application/openmetrics-text;q=0.3, text/plain;q=0.5', false],
  ['application/openmetrics-text;q=0', false],
  ['application/openmetrics-text;version=0.0.1', false],
  ['text/plain;version=0.0.4', false],
  ['text/html,application/xhtml+xml,*/*;q=0.8', false],
  ['*/*', false],
  ['', false],
  [undefined, false],
] as const)('who accepts %s: OpenMetrics %s', ([accept, isPreferred]) => {
  expect(prefersOpenMetrics(accept)).toBe(isPreferred)
})

function sample(): Metrics {
  const metrics = new Metrics({ service: 'sample', version: '1' })
  metrics.registry.clear()
  return metrics
}

test('series have the names of the form of Prometheus, which stays as it is', async () => {
  const metrics = sample()
  metrics.counter({ name: 'sent_total', help: 'Sent.', labelNames: ['topic'] }).inc({ topic: 'a' })
  metrics.counter({ name: 'seen', help: 'Seen.' }).inc(2)
  metrics
    .gauge({ name: 'lag', help: 'A "lag",\nin C:\\.', labelNames: ['of'] })
    .set({ of: '"\n\\' }, NaN)
  metrics.plainHistogram({ name: 'wait', help: 'Waits.', buckets: [0.5] }).add(Infinity)
  const before = await metrics.registry.metrics()
  expect(await openMetricsText(metrics.registry)).toBe(
    [
      '# TYPE sent counter',
      '# HELP sent Sent.',
      'sent_total{topic="a"} 1',
      '# TYPE seen unknown',
      '# HELP seen Seen.',
      'seen 2',
      '# TYPE lag gauge',
      String.raw`# HELP lag A \"lag\",\nin C:\\.`,
      String.raw`lag{of="\"\n\\"} NaN`,
      '# TYPE wait histogram',
      '# HELP wait Waits.',
      'wait_bucket{le="0.5"} 0',
      'wait_bucket{le="+Inf"} 1',
      'wait_sum +Inf',
      'wait_count 1',
      '# EOF',
      '',
    ].join('\n'),
  )
  expect(await metrics.registry.metrics()).toBe(before)
  expect(before).toContain('\nsent_total{topic="a"} 1\n')
})

test('a value names the trace that it is of, the last one of each bucket', async () => {
  const metrics = sample()
  const histogram = metrics.tracedHistogram({ name: 'took', help: 'Took.', buckets: [1, 2] })
  const ids = (digit: string) => ({ trace_id: digit.repeat(32), span_id: digit.repeat(16) })
  histogram.observe({}, 1.5, ids('a'))
  histogram.observe({}, 1.25, ids('b'))
  histogram.observe({}, 9, ids('c'))
  histogram.observe({}, 8, undefined)
  const lines = (await openMetricsText(metrics.registry)).split('\n')
  const named = (digit: string, value: number) =>
    `{trace_id="${ids(digit).trace_id}",span_id="${ids(digit).span_id}"} ${value} `
  expect(lines[2]).toBe('took_bucket{le="1"} 0')
  expect(lines[3]).toContain(`took_bucket{le="2"} 2 # ${named('b', 1.25)}`)
  expect(lines[4]).toContain(`took_bucket{le="+Inf"} 4 # ${named('c', 9)}`)
  expect(Number(lines[4]?.split(' ').at(-1))).toBeGreaterThan(1_700_000_000)
  expect(await metrics.registry.metrics()).not.toContain(' # {')
})
