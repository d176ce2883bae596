/**
 * What a client may still change (KIP-599). It belongs to the shell: what it counts is no metadata, and
 * is not undone where nothing is committed.
 */
export type MutationQuota = {
  /** Counts partitions that are created or deleted; false when the client has to wait first. */
  take(partitionCount: number): boolean
}

export const UNLIMITED_MUTATIONS: MutationQuota = { take: () => true }

export const QUOTA_EXCEEDED = {
  errorCode: 'THROTTLING_QUOTA_EXCEEDED',
  message: 'The throttling quota has been exceeded.',
} as const
