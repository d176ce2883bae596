import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../support/cache.ts'
import { attempt, isInstalled, run } from '../../support/command.ts'
import type { Suite, SuiteOutcome, SuiteResult } from './suite.ts'

const VERSION = '1.22.3'
const BUILD_TIMEOUT_MS = 600_000
const RUN_TIMEOUT_MS = 900_000
/** Of 500,000 by default: enough for a rebalance in the middle of every test of groups. */
const RECORDS = '50000'
/** Without transactions it retries until the whole run times out, and takes all others with it. */
const ENDLESS = '^TestTxnEtl$'
const OUTCOMES: Readonly<Record<string, SuiteOutcome>> = {
  pass: 'passed',
  fail: 'failed',
  skip: 'skipped',
}

/** The tests of franz-go's client, from the archive of its module. */
export const FRANZ_GO: Suite = {
  name: 'franz-go',
  version: VERSION,
  absence: () => (isInstalled('go') ? undefined : 'no go in the path: https://go.dev/dl'),
  config: { 'num.partitions': 4, 'group.min.session.timeout.ms': 1_000 },
  run: async (address, filter) => {
    const source = await cached('franz-go', VERSION, copyModule)
    const flags = ['-json', '-count=1', `-timeout=${RUN_TIMEOUT_MS}ms`, `-skip=${ENDLESS}`]
    const env = { KGO_SEEDS: address, KGO_TEST_RF: '1', KGO_TEST_RECORDS: RECORDS }
    const { output, complaints } = await attempt(
      'go',
      ['test', ...flags, `-run=${filter}`, './pkg/kgo'],
      { cwd: source, env, timeoutMs: RUN_TIMEOUT_MS + BUILD_TIMEOUT_MS },
    )
    const results = resultsOf(output)
    if (results.size === 0) throw new Error(`go test told no result: ${complaints}`)
    return results
  },
}

/** The module cache cannot be written to, and Go builds tests only within their module. */
async function copyModule(target: string): Promise<void> {
  const module = `github.com/twmb/franz-go@v${VERSION}`
  const { Dir: directory } = JSON.parse(await run('go', ['mod', 'download', '-json', module])) as {
    readonly Dir: string
  }
  await cp(directory, target, { recursive: true })
  await run('chmod', ['-R', 'u+w', target])
  await run('go', ['mod', 'download'], { cwd: join(target), timeoutMs: BUILD_TIMEOUT_MS })
}

type Event = { readonly Action: string; readonly Test?: string; readonly Output?: string }

function resultsOf(output: string): Map<string, SuiteResult> {
  const outputs = new Map<string, string>()
  const results = new Map<string, SuiteResult>()
  for (const line of output.split('\n').filter((each) => each.startsWith('{'))) {
    const event = JSON.parse(line) as Event
    if (event.Test === undefined) continue
    const said = (outputs.get(event.Test) ?? '') + (event.Output ?? '')
    outputs.set(event.Test, said)
    const outcome = OUTCOMES[event.Action]
    if (outcome !== undefined) results.set(event.Test, { outcome, output: said })
  }
  return results
}
