import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { expose } from './exposed-metric.ts'
import { PlainHistogram } from './plain-histogram.ts'

test('a plain histogram shows what one of prom-client shows', async () => {
  const options = { name: 'lag_seconds', help: 'Lag.', buckets: [0.5, 1, 5] }
  const registers = [new Registry(), new Registry()] as const
  const theirs = new Histogram({ ...options, registers: [registers[0]] })
  const ours = new PlainHistogram(options)
  expose(ours, registers[1])
  expect(await registers[1].metrics()).toBe(await registers[0].metrics())
  for (const value of [0, 0.5, 0.75, 1, 4, 5, 5.5, 100]) {
    for (let time = 0; time < 3; time += 1) theirs.observe(value)
    ours.add(value, 3)
  }
  expect(await registers[1].metrics()).toBe(await registers[0].metrics())
})
