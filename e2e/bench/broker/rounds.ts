import { run } from '../../support/command.ts'
import { type BenchRow, type RatioBar, median } from '../report.ts'
import { type Usage, usageBetween, usageOf } from '../usage.ts'
import { APACHE_KAFKA, type BenchServer } from './servers.ts'

/** What the sections share: servers to compare, and how long to measure. */
export type Setting = {
  readonly servers: readonly BenchServer[]
  /** The program of librdkafka. */
  readonly performance: string
  readonly rounds: number
  /** A part of the usual amounts of work, for a look in between. */
  readonly scale: number
  readonly directory: string
  /** Whether the loads so named are to be measured. */
  readonly isWanted: (load: string) => boolean
}

export type Figures = Readonly<Record<string, number>>

export type Measured = {
  readonly server: BenchServer
  /** Medians of the rounds. */
  readonly figures: Figures
  readonly rounds?: readonly Figures[]
  readonly usage: Usage
}

/**
 * Round by round and server by server, so that a slow minute hits all alike; medians. Every other round
 * goes the other way round. Nobody measures the writeback of what was measured before.
 */
export async function inTurns(
  { servers, rounds }: Pick<Setting, 'servers' | 'rounds'>,
  measure: (server: BenchServer, round: number) => Promise<Figures>,
): Promise<readonly Measured[]> {
  const samples = servers.map((server) => ({
    server,
    figures: [] as Figures[],
    usages: [] as Usage[],
  }))
  for (let round = 0; round < rounds; round += 1) {
    for (const { server, figures, usages } of round % 2 === 0 ? samples : samples.toReversed()) {
      await run('sync', [])
      const { pid } = server
      const before = usageOf(pid)
      figures.push(await measure(server, round))
      // A section that starts the server anew is not charged for the process before.
      usages.push(server.pid === pid ? usageBetween(before, usageOf(pid)) : usageOf(server.pid))
    }
  }
  return samples.map(({ server, figures, usages }) => ({
    server,
    figures: mediansOf(figures),
    rounds: figures,
    usage: {
      ...usageOf(server.pid),
      cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    },
  }))
}

function mediansOf(rounds: readonly Figures[]): Figures {
  const names = Object.keys(rounds[0] ?? {})
  return Object.fromEntries(
    names.map((name) => [name, median(rounds.map((figures) => figures[name] ?? Number.NaN))]),
  )
}

/** One row per server, Apache Kafka's first and as the baseline. */
export function compared(
  what: string,
  measured: readonly Measured[],
  options: { readonly figure: string; readonly unit: string; readonly bar?: RatioBar },
): BenchRow[] {
  const nameOf = (server: string): string => `${what}, ${server}`
  return measured.map(({ server, figures, rounds, usage }) => ({
    name: nameOf(server.name),
    rate: figures[options.figure] ?? Number.NaN,
    ...(rounds === undefined ? {} : { range: rangeOf(rounds, options.figure) }),
    unit: options.unit,
    usage,
    ...(server.name === APACHE_KAFKA
      ? {}
      : {
          baseline: nameOf(APACHE_KAFKA),
          ...(options.bar === undefined ? {} : { bar: options.bar }),
        }),
  }))
}

function rangeOf(rounds: readonly Figures[], figure: string): readonly [number, number] {
  const values = rounds.map((figures) => figures[figure] ?? Number.NaN)
  return [Math.min(...values), Math.max(...values)]
}
