import { Metrics } from '@fairlead/service'
import { expect, test } from 'vitest'
import { QuantileSummary } from './quantile-summary.ts'

test('a summary is exported as the JMX exporter of Kafka does', async () => {
  const metrics = new Metrics({ service: 'broker', version: '0' })
  const options = { name: 'time_ms', help: 'How long.', labelName: 'request', metrics }
  const shownAs = (name: string) => (name === 'Fetch' ? ['Fetch', 'FetchConsumer'] : [name])
  const summary = new QuantileSummary({ ...options, shownAs, quantiles: [0.5, 0.999] })
  for (const value of [1, 1, 2]) summary.observe('Fetch', value, 0)
  summary.observe('Produce', 4, 0)
  const text = await metrics.registry.metrics()
  const lines = text.slice(text.indexOf('# HELP time_ms')).split('\n')
  expect(lines.map((line) => line.replace(/ \d+\.\d+$/, ' ~')).filter(Boolean)).toEqual([
    '# HELP time_ms How long.',
    '# TYPE time_ms gauge',
    'time_ms{quantile="0.50",request="Fetch"} ~',
    'time_ms{quantile="0.999",request="Fetch"} ~',
    'time_ms{quantile="0.50",request="FetchConsumer"} ~',
    'time_ms{quantile="0.999",request="FetchConsumer"} ~',
    'time_ms{quantile="0.50",request="Produce"} ~',
    'time_ms{quantile="0.999",request="Produce"} ~',
    '# HELP time_ms_count How long. The count.',
    '# TYPE time_ms_count counter',
    'time_ms_count{request="Fetch"} 3',
    'time_ms_count{request="FetchConsumer"} 3',
    'time_ms_count{request="Produce"} 1',
    '# HELP time_ms_sum How long. The sum.',
    '# TYPE time_ms_sum counter',
    'time_ms_sum{request="Fetch"} 4',
    'time_ms_sum{request="FetchConsumer"} 4',
    'time_ms_sum{request="Produce"} 4',
  ])
})
