import { readFileSync } from 'node:fs'

/** Segment, index, producer snapshot and what else a partition may hold open at a time. */
const FILES_PER_PARTITION = 3
/** Of the process itself: sockets of HTTP, the lock, pipes, libraries. */
const FILES_BESIDE = 100

/**
 * Why the limit of open files of this process may be too low, or undefined. Beyond it the system
 * refuses connections and segments alike, and a segment that cannot be opened ends the broker.
 */
export function openFileProblem(wanted: {
  readonly connectionsMax: number
  readonly partitionCount: number
}): string | undefined {
  const limit = openFileLimit()
  if (limit === undefined) return undefined
  const needed = wanted.connectionsMax + wanted.partitionCount * FILES_PER_PARTITION + FILES_BESIDE
  if (limit >= needed) return undefined
  return (
    `the process may open ${limit} files, and up to ${needed} are needed for max.connections and ` +
    `${wanted.partitionCount} partitions: raise the limit (ulimit -n) or lower max.connections`
  )
}

/** The soft limit, which Node raises to the hard one at its start; undefined when not on Linux. */
function openFileLimit(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
    return soft === 'unlimited' ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
