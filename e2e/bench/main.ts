import { BROKER_SECTIONS, benchBroker } from './broker/broker.ts'
import { benchEventLoop } from './event-loop.ts'
import { type BenchOptions, BenchUsageError, benchUsage, parseBenchOptions } from './options.ts'
import { benchProduce } from './produce.ts'
import { PROJECTION_SECTIONS, benchProjection } from './projection/projection.ts'
import { benchRegistry } from './registry.ts'
import { RELAY_SECTIONS, benchRelay } from './relay.ts'
import { type BenchRow, printReport } from './report.ts'
import { benchRestart } from './restart.ts'
import { benchRowWrites } from './row-writes.ts'

type Bench = {
  readonly run: (
    options: BenchOptions,
  ) => Promise<readonly BenchRow[]> | AsyncIterable<readonly BenchRow[]>
  readonly sections: readonly string[]
}

/**
 * Throughput of each part as a ratio to a baseline that is measured in the same run, with CPU seconds
 * and peak memory of the process under test.
 */
const BENCHES: Readonly<Record<string, Bench>> = {
  broker: { run: benchBroker, sections: BROKER_SECTIONS },
  restart: { run: benchRestart, sections: [] },
  produce: { run: benchProduce, sections: [] },
  'event-loop': { run: benchEventLoop, sections: [] },
  relay: { run: benchRelay, sections: RELAY_SECTIONS },
  projection: { run: benchProjection, sections: PROJECTION_SECTIONS },
  'row-writes': { run: benchRowWrites, sections: [] },
  registry: { run: benchRegistry, sections: [] },
}
const SECTIONS = Object.fromEntries(
  Object.entries(BENCHES).map(([name, { sections }]) => [name, sections]),
)
const USAGE_ERROR = 2

const options = optionsOrExit()
// Exit listeners end what a benchmark has started; a signal alone would skip them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
if (options.isHelp) process.stdout.write(benchUsage(SECTIONS))
else await runAll(options)

function optionsOrExit(): BenchOptions {
  try {
    return parseBenchOptions(process.argv.slice(2), SECTIONS)
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error
    console.error(error.message)
    process.exit(USAGE_ERROR)
  }
}

async function runAll(options: BenchOptions): Promise<void> {
  for (const [name, { run }] of Object.entries(BENCHES)) {
    if (options.wanted.length > 0 && !options.wanted.includes(name)) continue
    console.log(`\n${name}`)
    const measured = run(options)
    if (measured instanceof Promise) printReport(await measured)
    else for await (const rows of measured) printReport(rows)
  }
}
