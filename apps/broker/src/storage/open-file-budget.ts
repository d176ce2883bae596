import { readFileSync } from 'node:fs'
import { PARTITIONS_MAX } from '@fairlead/metadata'

/** An open partition has at least its segment, and the index of that. */
const FILES_PER_PARTITION = 2
/** Partitions leave this share of the files to the further segments that each will have. */
const PARTITIONS_SHARE = 0.75
/** A broker that may have fewer is worth a word. */
const PARTITIONS_FEW = 1_000
/** Of what is left for peers and logs, peers get at most this share. */
const CONNECTIONS_SHARE = 0.75
/** Of the process itself: HTTP, the lock, pipes, libraries, and files that are open for a moment. */
const FILES_BESIDE = 200

/** How the open files that the system grants this process are shared out. */
export type OpenFileBudget = {
  readonly connectionsMax: number
  /** Of the segments of all logs, and of the indexes that grow. */
  readonly segmentFilesMax: number
  readonly partitionsMax: number
}

type Wanted = { readonly connectionsMax: number }

/** `limit` is that of the process; infinite for none. */
export function openFileBudget(wanted: Wanted, limit: number = openFileLimit()): OpenFileBudget {
  const shared = Math.max(0, limit - FILES_BESIDE)
  const connectionsMax = Math.min(wanted.connectionsMax, Math.floor(shared * CONNECTIONS_SHARE))
  const segmentFilesMax = Math.min(shared - connectionsMax, Number.MAX_SAFE_INTEGER)
  const fittingCount = Math.floor((segmentFilesMax * PARTITIONS_SHARE) / FILES_PER_PARTITION)
  return { connectionsMax, segmentFilesMax, partitionsMax: Math.min(PARTITIONS_MAX, fittingCount) }
}

/** What of the configuration, or of what is there, does not fit; undefined when all does. */
export function openFileProblem(
  budget: OpenFileBudget,
  wanted: Wanted & { readonly partitionCount: number },
): string | undefined {
  const lines = [
    budget.connectionsMax < wanted.connectionsMax &&
      `max.connections is lowered from ${wanted.connectionsMax} to ${budget.connectionsMax}`,
    budget.partitionsMax < Math.max(PARTITIONS_FEW, wanted.partitionCount * 2) &&
      `at most ${budget.partitionsMax} partitions can be created, and there are ${wanted.partitionCount}`,
  ].filter((line) => line !== false)
  if (lines.length === 0) return undefined
  return `the process may open few files: ${lines.join('; ')}. Raise the limit (ulimit -n), or lower max.connections`
}

/** The soft limit, which Node raises to the hard one at its start; infinite when not on Linux. */
function openFileLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
