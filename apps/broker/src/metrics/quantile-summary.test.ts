import { Metrics } from '@fairlead/service'
import { expect, test } from 'vitest'
import { QuantileSummary } from './quantile-summary.ts'

test('a summary is exported in the form of Prometheus', async () => {
  const metrics = new Metrics({ service: 'broker', version: '0' })
  const options = { name: 'time_ms', help: 'How long.', labelName: 'request', metrics }
  const summary = new QuantileSummary({ ...options, quantiles: [0.5, 0.999] })
  for (const value of [1, 1, 2]) summary.observe('Fetch', value, 0)
  summary.observe('Produce', 4, 0)
  const text = await metrics.registry.metrics()
  const lines = text.slice(text.indexOf('# HELP time_ms')).split('\n')
  expect(lines.map((line) => line.replace(/ \d+\.\d+$/, ' ~'))).toEqual([
    '# HELP time_ms How long.',
    '# TYPE time_ms summary',
    'time_ms{quantile="0.5",request="Fetch"} ~',
    'time_ms{quantile="0.999",request="Fetch"} ~',
    'time_ms_sum{request="Fetch"} 4',
    'time_ms_count{request="Fetch"} 3',
    'time_ms{quantile="0.5",request="Produce"} ~',
    'time_ms{quantile="0.999",request="Produce"} ~',
    'time_ms_sum{request="Produce"} 4',
    'time_ms_count{request="Produce"} 1',
    '',
  ])
})
