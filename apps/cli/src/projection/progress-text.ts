import type { JsonObject } from '../output/output.ts'

/** How far an order to a projector is, as it tells. */
export type Progress = JsonObject & {
  readonly state: string
  readonly phase: string | null
  readonly done: number
  readonly total: number
  readonly eventsPerSecond: number
  readonly eta: string | null
  readonly parked: number
  /** Of one that failed, as the reason; null where the projector knows no code. */
  readonly code: string | null
  readonly reason: string | null
}

const BAR_WIDTH = 24

/** One line for people, such as `loading  [======      ] 25 %  120,000 of 480,000  40,000/s  9 s left`. */
export function progressText(progress: Progress, nowMs: number): string {
  const { phase, done, total, eventsPerSecond, eta, parked } = progress
  const share = total === 0 ? 0 : Math.min(1, done / total)
  const filled = Math.round(share * BAR_WIDTH)
  const bar = `[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}]`
  return [
    (phase ?? progress.state).padEnd(11),
    bar,
    `${Math.floor(share * 100)} %`.padStart(5),
    total === 0 ? '' : `${grouped(done)} of ${grouped(total)}`,
    eventsPerSecond === 0 ? '' : `${grouped(Math.round(eventsPerSecond))}/s`,
    eta === null ? '' : `${timeLeft(Date.parse(eta) - nowMs)} left`,
    parked === 0 ? '' : `${grouped(parked)} parked`,
  ]
    .filter((part) => part !== '')
    .join('  ')
}

function grouped(count: number): string {
  return count.toLocaleString('en')
}

function timeLeft(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}
