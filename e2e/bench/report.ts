import type { Usage } from './usage.ts'

/** What a ratio to the baseline should be: at least so much of a rate, at most so much of a cost. */
export type RatioBar = { readonly atLeast: number } | { readonly atMost: number }

export type BenchRow = {
  readonly name: string
  /** Units per second, or what else `unit` says; medians over the rounds. */
  readonly rate: number
  /** The lowest and the highest round. */
  readonly range?: readonly [number, number]
  readonly unit: string
  /** Of the process under test, over one round; absent where there is no such process. */
  readonly usage?: Usage
  /** The row that this one is compared with. */
  readonly baseline?: string
  readonly bar?: RatioBar
}

/** Prints one line per row; a row with a baseline shows its ratio to it. */
export function printReport(rows: readonly BenchRow[]): void {
  console.log('| what | measured | rounds | ratio to baseline | CPU s | peak MB |')
  console.log('|---|---|---|---|---|---|')
  for (const row of rows) {
    const ratio = ratioText(row, rows)
    const cpu = row.usage === undefined ? '' : row.usage.cpuSeconds.toFixed(2)
    const peak = row.usage === undefined ? '' : String(Math.round(row.usage.peakBytes / 1e6))
    const range = row.range?.map(numberText).join(' to ') ?? ''
    console.log(
      `| ${row.name} | ${numberText(row.rate)} ${row.unit} | ${range} | ${ratio} | ${cpu} | ${peak} |`,
    )
  }
}

function ratioText(row: BenchRow, rows: readonly BenchRow[]): string {
  if (row.baseline === undefined) {
    return rows.some(({ baseline }) => baseline === row.name) ? 'baseline' : ''
  }
  const base = rows.find(({ name }) => name === row.baseline)
  if (base === undefined) return 'not measured'
  const ratio = row.rate / base.rate
  return `${ratio.toFixed(2)}${row.bar === undefined ? '' : ` ${barText(ratio, row.bar)}`}`
}

function barText(ratio: number, bar: RatioBar): string {
  const [isMet, text] =
    'atLeast' in bar
      ? [ratio >= bar.atLeast, `≥ ${barNumber(bar.atLeast)}`]
      : [ratio <= bar.atMost, `≤ ${barNumber(bar.atMost)}`]
  return `(${text} ${isMet ? 'met' : 'MISSED'})`
}

/** A bar that was computed has more digits than anybody reads. */
function barNumber(value: number): number {
  return Number(value.toFixed(2))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const [lower, upper] = [Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2)]
  return ((sorted[lower] ?? Number.NaN) + (sorted[upper] ?? Number.NaN)) / 2
}

function numberText(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 2)
}
