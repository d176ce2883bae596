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

export function usageOf(pid: number): Usage {
  // The command, field 2, is in parentheses and may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) \S /s, '')
    .split(' ')
  const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytesOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
  return {
    cpuSeconds: ticks / TICKS_PER_SECOND,
    residentBytes: bytesOf('VmRSS'),
    peakBytes: bytesOf('VmHWM'),
  }
}

/** CPU used between two looks; memory at the second. */
export function usageBetween(before: Usage, after: Usage): Usage {
  return { ...after, cpuSeconds: after.cpuSeconds - before.cpuSeconds }
}
