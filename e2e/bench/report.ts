import type { Usage } from './usage.ts'

export type BenchRow = {
  readonly name: string
  /** Units per second, medians over the rounds. */
  readonly rate: number
  readonly unit: string
  /** Of the process under test, over one round; absent where there is no such process. */
  readonly usage?: Usage
  /** The row that this one is compared with. */
  readonly baseline?: string
}

/** Prints one line per row; a row with a baseline shows its ratio to it. */
export function printReport(rows: readonly BenchRow[]): void {
  console.log('| what | rate | ratio to baseline | CPU s | peak MB |')
  console.log('|---|---|---|---|---|')
  for (const row of rows) {
    const ratio = ratioToBaseline(row, rows)
    const cpu = row.usage === undefined ? '' : row.usage.cpuSeconds.toFixed(2)
    const peak = row.usage === undefined ? '' : String(Math.round(row.usage.peakBytes / 1e6))
    console.log(`| ${row.name} | ${formatRate(row)} | ${ratio} | ${cpu} | ${peak} |`)
  }
}

function ratioToBaseline(row: BenchRow, rows: readonly BenchRow[]): string {
  if (row.baseline === undefined) return 'baseline'
  const base = rows.find(({ name }) => name === row.baseline)
  return base === undefined ? 'not measured' : (row.rate / base.rate).toFixed(2)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function formatRate({ rate, unit }: BenchRow): string {
  return `${rate >= 1_000 ? Math.round(rate).toLocaleString('en-US') : rate.toFixed(1)} ${unit}`
}
