import { describe, expect, test } from 'vitest'
import { runSeed } from './run-seed.ts'
import { SCENARIOS } from './scenarios.ts'

const FIRST_SEED = Number(process.env['SIM_SEED'] ?? 1)
/** More of them: SIM_SEEDS=1000 npx vitest run --project unit e2e/simulation */
const SEEDS = Number(process.env['SIM_SEEDS'] ?? 3)
const CANARY_SEEDS = 20

describe.for(Object.keys(SCENARIOS))('%s', (scenario) => {
  test('holds in a few worlds', () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const { finding } = runSeed({ scenario, seed })
      expect(finding, `npm run sim -- --scenario ${scenario} --seed ${seed}`).toBeUndefined()
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
