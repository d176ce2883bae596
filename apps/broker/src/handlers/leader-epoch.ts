import type { EpochEnd } from '@fairlead/log'
import type { ErrorCode } from '@fairlead/protocol'
import type { LocalPartition } from '../partitions/partition-table.ts'

const UNKNOWN_EPOCH = -1

/**
 * KIP-320: a client that knows an older leader epoch than ours must refresh its metadata; one that
 * knows a newer epoch has heard of an election that we have not.
 */
export function leaderEpochError(
  clientEpoch: number,
  leaderEpoch: number,
): Extract<ErrorCode, 'FENCED_LEADER_EPOCH' | 'UNKNOWN_LEADER_EPOCH'> | undefined {
  if (clientEpoch === UNKNOWN_EPOCH || clientEpoch === leaderEpoch) return undefined
  return clientEpoch < leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
}

/**
 * Where the records of an epoch end in a partition; undefined for one that wrote nothing here yet. The
 * epoch of the leader itself counts even while it has written nothing.
 */
export function endOfEpoch(
  { log, leaderEpoch }: Pick<LocalPartition, 'log' | 'leaderEpoch'>,
  epoch: number,
): EpochEnd | undefined {
  return epoch === leaderEpoch
    ? { leaderEpoch: epoch, endOffset: log.logEndOffset }
    : log.endOffsetOfEpoch(epoch)
}
