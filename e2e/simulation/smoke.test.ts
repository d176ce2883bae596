import { describe, expect, test } from 'vitest'
import { runSeed } from './run-seed.ts'
import { SCENARIOS } from './scenarios.ts'

const FIRST_SEED = Number(process.env['SIM_SEED'] ?? 1)
/** The whole run: SIM_OPERATIONS=1000000 npx vitest run --project unit e2e/simulation */
const OPERATIONS = Number(process.env['SIM_OPERATIONS'] ?? 6000)
const MS_PER_OPERATION = 5
const CANARY_SEEDS = 30

describe.for(Object.keys(SCENARIOS))('%s', (scenario) => {
  test('every seed holds', { timeout: 10_000 + OPERATIONS * MS_PER_OPERATION }, () => {
    let operations = 0
    for (let seed = FIRST_SEED; operations < OPERATIONS; seed += 1) {
      const { finding, report } = runSeed({ scenario, seed })
      expect(finding, `npm run sim -- --scenario ${scenario} --seed ${seed}`).toBeUndefined()
      operations += report?.operations ?? 0
    }
  })

  test('a seed replays exactly', () => {
    const first = runSeed({ scenario, seed: FIRST_SEED })
    const second = runSeed({ scenario, seed: FIRST_SEED })
    expect(second.digest).toBe(first.digest)
    expect(second.report).toEqual(first.report)
    expect(second.eventCount).toBeGreaterThan(1000)
  })

  test('a disk that lies about its syncs is found out', () => {
    const seeds = Array.from({ length: CANARY_SEEDS }, (_, seed) => seed)
    const found = seeds.find((seed) => runSeed({ scenario, seed, hasCanary: true }).finding)
    expect(found).toBeDefined()
  })
})
