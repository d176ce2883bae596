import { parseArgs } from 'node:util'
import { type BrokerBenchOptions, benchBroker } from './broker/broker.ts'
import { benchEventLoop } from './event-loop.ts'
import { benchProduce } from './produce.ts'
import { type ProjectionBenchOptions, benchProjection } from './projection/projection.ts'
import { benchRegistry } from './registry.ts'
import { benchRestart } from './restart.ts'
import { benchRowWrites } from './row-writes.ts'
import { type RelayBenchOptions, benchRelay } from './relay.ts'
import type { BenchRow } from './report.ts'
import { printReport } from './report.ts'

type Bench = (
  options: BrokerBenchOptions & ProjectionBenchOptions & RelayBenchOptions,
) => Promise<readonly BenchRow[]> | AsyncIterable<readonly BenchRow[]>

/**
 * Throughput of each part as a ratio to a baseline that is measured in the same run, with CPU seconds
 * and peak memory of the process under test: `npm run bench`, or `npm run bench -- relay`. The broker's
 * take `--quick`, `--rounds` (three), `--only` a section and `--match` a load by a part of its name; these
 * two may be repeated. The projections' take `--quick`, `--rounds`, `--only` and `--events`.
 */
const BENCHES: Readonly<Record<string, Bench>> = {
  broker: benchBroker,
  restart: benchRestart,
  produce: benchProduce,
  'event-loop': benchEventLoop,
  relay: benchRelay,
  projection: benchProjection,
  'row-writes': benchRowWrites,
  registry: benchRegistry,
}

const { positionals: wanted, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    match: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '3' },
    events: { type: 'string' },
  },
})
const unknown = wanted.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  console.error(
    `no benchmark "${unknown.join(', ')}": choose from ${Object.keys(BENCHES).join(', ')}`,
  )
  process.exit(2)
}
const options: BrokerBenchOptions & ProjectionBenchOptions = {
  isQuick: values.quick,
  only: values.only,
  match: values.match,
  rounds: Number(values.rounds),
  events: values.events === undefined ? undefined : Number(values.events),
}
if (!Number.isInteger(options.rounds) || options.rounds < 1) {
  console.error(`--rounds ${values.rounds}: give a whole number from 1 on`)
  process.exit(2)
}
if (options.events !== undefined && !Number.isInteger(options.events)) {
  console.error(`--events ${values.events}: give a whole number`)
  process.exit(2)
}
// Exit listeners end what a benchmark has started; a signal alone would skip them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n${name}`)
  const measured = bench(options)
  if (measured instanceof Promise) printReport(await measured)
  else for await (const rows of measured) printReport(rows)
}
