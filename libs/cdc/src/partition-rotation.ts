/** A partition of an outbox table by time; `fromMs` is -Infinity for one that begins with MINVALUE. */
export type RangePartition = {
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
}

export type RotationPolicy = {
  /** Length of a new partition; they begin at its multiples, in UTC. */
  readonly intervalMs: number
  /** A partition is kept until its end is older than this. */
  readonly retentionMs: number
}

export type TimeRange = { readonly fromMs: number; readonly toMs: number }

export type RotationPlan = {
  /** In the order of time; none overlaps another or a partition that exists. */
  readonly create: readonly TimeRange[]
  readonly retire: readonly RangePartition[]
}

/** A clock that jumps back, or a transaction that is late, writes into the former interval. */
const INTERVALS_BEHIND = 1
/** Rows find a partition while nobody rotates. */
const INTERVALS_AHEAD = 3

/**
 * Which partitions an outbox needs, and which it does not need any more, by the clock of its server.
 *
 * Invariants: every moment from one interval before the current one to three behind it has a
 * partition once the plan is carried out, and a second plan at that moment is empty but for what
 * could not be retired yet. What is retired is never created again at the same or a later time.
 */
export function planRotation(
  partitions: readonly RangePartition[],
  policy: RotationPolicy,
  nowMs: number,
): RotationPlan {
  const currentMs = Math.floor(nowMs / policy.intervalMs) * policy.intervalMs
  const beginMs = currentMs - INTERVALS_BEHIND * policy.intervalMs
  const create: TimeRange[] = []
  for (let step = 0; step <= INTERVALS_BEHIND + INTERVALS_AHEAD; step += 1) {
    const fromMs = beginMs + step * policy.intervalMs
    create.push(...uncovered({ fromMs, toMs: fromMs + policy.intervalMs }, partitions))
  }
  const keptFromMs = Math.min(nowMs - policy.retentionMs, beginMs)
  return { create, retire: partitions.filter(({ toMs }) => toMs <= keptFromMs) }
}

/** How many whole intervals from now on have a partition, without a gap. */
export function intervalsAhead(
  partitions: readonly TimeRange[],
  intervalMs: number,
  nowMs: number,
): number {
  const currentMs = Math.floor(nowMs / intervalMs) * intervalMs
  let ahead = 0
  for (; ahead <= INTERVALS_AHEAD; ahead += 1) {
    const fromMs = currentMs + (ahead + 1) * intervalMs
    if (uncovered({ fromMs, toMs: fromMs + intervalMs }, partitions).length > 0) break
  }
  return ahead
}

/** The parts of a range that no partition has. */
function uncovered(range: TimeRange, partitions: readonly TimeRange[]): readonly TimeRange[] {
  const gaps: TimeRange[] = []
  let { fromMs } = range
  for (const partition of [...partitions].sort((left, right) => left.fromMs - right.fromMs)) {
    if (partition.toMs <= fromMs || partition.fromMs >= range.toMs) continue
    if (partition.fromMs > fromMs) gaps.push({ fromMs, toMs: partition.fromMs })
    fromMs = partition.toMs
  }
  if (fromMs < range.toMs) gaps.push({ fromMs, toMs: range.toMs })
  return gaps
}
