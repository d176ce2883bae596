import { expect, test } from 'vitest'
import { ReaderReports } from './index.ts'
import type { ReaderReport, SchemaName } from './index.ts'

const reading = (written: number) => ({ group: 'billing', written, schema: { schema: '"int"' } })

/** A registry that remembers what it was told. */
const registry = (answer: () => Promise<void> = async () => undefined) => {
  const told: (readonly [SchemaName, ReaderReport])[] = []
  return {
    told,
    async reportReader(written: SchemaName, report: ReaderReport) {
      told.push([written, report])
      await answer()
    },
  }
}

test('a schema is told at once, once, and again from time to time', async () => {
  const { told, ...taking } = registry()
  const reports = new ReaderReports({ registry: taking, everyMs: 5 })
  reports.reads(reading(1))
  reports.reads(reading(1))
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject([1, { group: 'billing', schema: { schema: '"int"' } }])
  await expect.poll(() => told.length).toBeGreaterThan(2)
  expect(new Set(told.map(([, { member }]) => member)).size).toBe(1)
  reports.close()
  const { length } = told
  reports.reads(reading(1))
  expect(told).toHaveLength(length)
})

test('a registry that is away disturbs nothing, and is told later', async () => {
  const { told, ...away } = registry(() => Promise.reject(new Error('away')))
  const reports = new ReaderReports({ registry: away, everyMs: 5 })
  reports.reads(reading(1))
  reports.reads(reading(2))
  await expect.poll(() => told.filter(([written]) => written === 2).length).toBeGreaterThan(1)
  reports.close()
})

test('a registry that does not answer is asked one thing at a time', async () => {
  const { told, ...hanging } = registry(() => new Promise(() => undefined))
  const reports = new ReaderReports({ registry: hanging, everyMs: 1 })
  for (let written = 0; written < 10; written += 1) reports.reads(reading(written))
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  expect(told).toHaveLength(1)
  reports.close()
})
