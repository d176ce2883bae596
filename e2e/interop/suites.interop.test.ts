import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { isSelected } from './selection.ts'
import { SUITES } from './suites/all-suites.ts'
import { type SuiteResult, allowListOf } from './suites/suite.ts'

const OUTPUT_LENGTH_MAX = 3_000
/** `INTEROP_TESTS=0012` runs a part of a suite: a regular expression over the names of its tests. */
const FILTER = process.env['INTEROP_TESTS'] ?? '.'
/** With a folder here, each suite leaves its results there as JSON: what lists are made from. */
const RESULTS_DIRECTORY = process.env['INTEROP_RESULTS']

const WANTED = SUITES.filter(({ name, version }) => isSelected('suite', `${name} ${version}`))

describe.for(WANTED)("$name $version's own tests", (suite) => {
  const absence = suite.absence()
  const { pass, outside } = allowListOf(suite)
  const listed = pass.filter((name) => new RegExp(FILTER).test(name))
  let results: ReadonlyMap<string, SuiteResult> = new Map()

  beforeAll(async () => {
    if (absence !== undefined) return
    const broker = await BrokerProcess.start(suite.config)
    try {
      results = await suite.run(broker.address, FILTER)
    } finally {
      await broker.stop()
    }
  }, 3_600_000)

  test.for(listed)('%s', (name, { skip }) => {
    skip(absence !== undefined, absence)
    const result = results.get(name)
    expect(result?.outcome, result?.output.slice(-OUTPUT_LENGTH_MAX)).toBe('passed')
  })

  test('every other test has a reason to be outside', ({ skip, annotate }) => {
    skip(absence !== undefined, absence)
    const others = [...results].filter(([name]) => !isListed(name, pass))
    for (const [name, { outcome }] of others) {
      if (outcome === 'passed') void annotate(`${name} passes: move it to "pass"`)
    }
    const unexplained = others.filter(([name]) => !(name in outside)).map(([name]) => name)
    expect(unexplained).toEqual([])
  })

  afterAll(() => {
    if (RESULTS_DIRECTORY === undefined || absence !== undefined) return
    const outcomes = [...results].map(([name, { outcome }]) => [name, outcome])
    const file = join(RESULTS_DIRECTORY, `${suite.name}-${suite.version}.json`)
    writeFileSync(file, `${JSON.stringify(Object.fromEntries(outcomes), null, 2)}\n`)
  })
})

/** A part of a listed test is listed with it: when it fails, the whole does. */
function isListed(name: string, pass: readonly string[]): boolean {
  return pass.some((listed) => name === listed || name.startsWith(`${listed}/`))
}
