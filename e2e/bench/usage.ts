import { readFileSync } from 'node:fs'

/** What a process has used so far, from Linux' own books. */
export type Usage = {
  readonly cpuSeconds: number
  /** Resident now, and at most so far. */
  readonly residentBytes: number
  readonly peakBytes: number
}

/** `sysconf(_SC_CLK_TCK)` of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
/** Where proc(5) has utime and stime, counted from the field behind the state. */
const USER_TICKS = 10
const SYSTEM_TICKS = 11
/** What children used that have ended. */
const CHILDREN_USER_TICKS = 12
const CHILDREN_SYSTEM_TICKS = 13

export function usageOf(pid: number): Usage {
  const cpuSeconds = cpuSecondsIn(pid, [USER_TICKS, SYSTEM_TICKS])
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytesOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
  return {
    cpuSeconds,
    residentBytes: bytesOf('VmRSS'),
    peakBytes: bytesOf('VmHWM'),
  }
}

/** CPU used between two looks; memory at the second. */
export function usageBetween(before: Usage, after: Usage): Usage {
  return { ...after, cpuSeconds: after.cpuSeconds - before.cpuSeconds }
}

/** CPU seconds of a server with a process for each session, as Postgres has them. */
export function cpuSecondsWithChildren(pid: number): number {
  const own = [USER_TICKS, SYSTEM_TICKS, CHILDREN_USER_TICKS, CHILDREN_SYSTEM_TICKS]
  const running = childrenOf(pid).reduce((sum, child) => {
    try {
      return sum + cpuSecondsIn(child, [USER_TICKS, SYSTEM_TICKS])
    } catch {
      // It has ended since: what it used is the parent's now.
      return sum
    }
  }, 0)
  return cpuSecondsIn(pid, own) + running
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

function cpuSecondsIn(pid: number, indexes: readonly number[]): number {
  // The command, field 2, is in parentheses and may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) \S /s, '')
    .split(' ')
  return indexes.reduce((sum, index) => sum + Number(fields[index]), 0) / TICKS_PER_SECOND
}
