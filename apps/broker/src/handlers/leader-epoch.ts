import type { ErrorCode } from '@fairlead/protocol'

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
